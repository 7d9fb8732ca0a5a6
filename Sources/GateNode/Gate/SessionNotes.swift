// The audit log hears of the sessions that keys open and end (F-MCP-05).

import NIOCore

/// How many sessions of each key the audit log has heard of lately, from one event loop.
///
/// Whoever has a key opens as many sessions as it likes, and the audit log keeps so many entries: beyond `most` an hour a key is passed over, so
/// that it does not push out what administrators have done.
struct SessionNotes {
    private var counts: [String: Int] = [:]
    private var since = NIODeadline.now()

    /// Entries of one key in an hour.
    static let most = 60
    private static let (span, mostKeys) = (TimeAmount.hours(1), 10_000)

    /// Whether one more is written of this key.
    mutating func takes(_ key: String) -> Bool {
        if .now() - since > Self.span || counts.count >= Self.mostKeys { (counts, since) = ([:], .now()) }
        counts[key, default: 0] += 1
        return counts[key, default: 0] <= Self.most
    }

    /// What became of a session.
    enum Event: String {
        case created = "session.created"
        case destroyed = "session.destroyed"
    }
}
