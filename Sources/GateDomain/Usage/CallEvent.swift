// The immutable record of a call; usage, request log and reports are views of these.

/// One event a call, whatever way the call left (F-LOG-01, F-LOG-02).
///
/// Its credits are not in here: the settling script decides them and writes both in one entry. Nor are the key's name and its like:
/// they belong to the key, and whoever shows the event reads them there.
package struct CallEvent: Sendable, Equatable {
    /// What became of the call.
    package enum Outcome: String, Sendable {
        /// The tool answered.
        case ok
        /// The upstream answered with an error, or not at all; refunded where that is on.
        case failed
        /// Nobody knows whether the upstream has taken it: the node, or the upstream, ended with the call open.
        case unknown
        /// The gate refused it, and nothing was charged.
        case denied
    }

    /// Empty for callers that no key is known of.
    package var keyID: String
    /// At most `toolBytes` long.
    package var tool: String
    /// What became of it.
    package var outcome: Outcome
    /// Empty unless denied, failed, or `shadow:<reason>`.
    package var reason: String
    /// From the request to the end of the call.
    package var milliseconds: Int
    /// As in `X-Request-Id`, by which a client can name the call (F-HDR-01).
    package var requestID: String

    /// Bytes of a tool's name that are kept, whatever a client calls it.
    package static let toolBytes = 128

    package init(keyID: String, tool: String, outcome: Outcome, reason: String = "", milliseconds: Int, requestID: String) {
        self.keyID = keyID
        self.tool = tool.cut(toBytes: Self.toolBytes)
        self.outcome = outcome
        self.reason = reason
        self.milliseconds = milliseconds
        self.requestID = requestID
    }
}

extension CallEvent {
    /// Tagged fields behind a format number; a reader keeps what it knows and passes over the rest (`PackedFields`).
    package var packed: [UInt8] {
        var fields = PackedFields(format: 1)
        fields.append("k", keyID)
        fields.append("t", tool)
        fields.append("o", outcome.rawValue)
        if !reason.isEmpty { fields.append("r", reason) }
        fields.append("m", milliseconds)
        fields.append("q", requestID)
        return fields.bytes
    }

    /// What an event has in common with others of its key, tool, outcome and reason: so many bytes, and how long its call took. Nil where its
    /// fields are not in the order of `packed`.
    package static func common(in packed: [UInt8]) -> (bytes: Int, milliseconds: Int)? {
        packed.withUnsafeBytes { bytes in
            guard let request = PackedFields.last("q", in: bytes),
                let time = PackedFields.last("m", in: UnsafeRawBufferPointer(rebasing: bytes[..<request.field])),
                let milliseconds = Int(String(decoding: bytes[time.value..<request.field], as: UTF8.self))
            else { return nil }
            return (time.field, milliseconds)
        }
    }

    /// Nil if the bytes are no event at all; what is missing is empty, what is unknown is passed over. Of a tag that stands twice the last
    /// value counts.
    package init?(packed: [UInt8]) {
        var (key, tool, outcome, reason, milliseconds, request) = ("", String?.none, Outcome.unknown, "", 0, "")
        let isRead = PackedFields.read(packed) { tag, value in
            switch tag {
            case UInt8(ascii: "k"): key = String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "t"): tool = String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "o"): outcome = Outcome(rawValue: String(decoding: value, as: UTF8.self)) ?? .unknown
            case UInt8(ascii: "r"): reason = String(decoding: value, as: UTF8.self)
            case UInt8(ascii: "m"): milliseconds = Int(String(decoding: value, as: UTF8.self)) ?? 0
            case UInt8(ascii: "q"): request = String(decoding: value, as: UTF8.self)
            default: break
            }
        }
        guard isRead, let tool else { return nil }
        self.init(keyID: key, tool: tool, outcome: outcome, reason: reason, milliseconds: milliseconds, requestID: request)
    }
}

extension String {
    /// The first whole characters that fit; never splits one.
    package func cut(toBytes most: Int) -> String {
        guard utf8.count > most else { return self }
        var end = utf8.index(startIndex, offsetBy: most)
        while end > startIndex, utf8[end] & 0xc0 == 0x80 { end = utf8.index(before: end) }
        return String(self[startIndex..<end])
    }
}
