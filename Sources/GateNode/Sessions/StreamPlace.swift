// How far a session's stream has told its client: what the id of each of its events says.

import GateDomain

/// A place in a stream of a session, `<message>.<stream>~<news>`: the last message of the session's mail that it has told, its own name, and up to
/// which news of lists it has told.
///
/// A name is made by the loop that opens the stream and stays with it wherever it is resumed. It is no secret: all that it opens is what its own
/// session was told.
struct StreamPlace: Equatable {
    /// `<milliseconds>-<number>`.
    var message = "0-0"
    let stream: String
    /// Nil in ids of versions that knew no news.
    var news: Int?

    private static let (longest, longestName) = (128, 80)

    init(stream: String) { self.stream = stream }

    /// Nil for any text that is no id of ours.
    init?(event id: String) {
        guard id.utf8.count <= Self.longest, let dot = id.utf8.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let numbers = id[..<dot].split(separator: "-", omittingEmptySubsequences: false)
        guard numbers.count == 2, numbers.allSatisfy({ Self.isNumber($0) }) else { return nil }
        let rest = id[id.index(after: dot)...].split(separator: "~", omittingEmptySubsequences: false)
        guard (1...2).contains(rest.count), (1...Self.longestName).contains(rest[0].utf8.count), rest[0].utf8.allSatisfy(Self.isOfName)
        else { return nil }
        if rest.count == 2 {
            guard Self.isNumber(rest[1]), let news = Int(rest[1]) else { return nil }
            self.news = news
        }
        (message, stream) = (String(id[..<dot]), String(rest[0]))
    }

    var id: String { "\(message).\(stream)~\(news ?? 0)" }

    private static func isNumber(_ text: Substring) -> Bool {
        (1...19).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
