// The name of the stream of a call, from which any node knows whose it is and who has it.

import GateDomain

/// The name of a call's stream, which its events carry: `post_<node>.<loop>.<number>`, sealed for the session and its key. So any node can tell
/// whose it is, and who has it, without asking anybody.
struct CallStreamName: Hashable {
    /// Without the seal.
    let text: String
    let owner: String
    private let seal: String

    private static let prefix = "post_"
    private static let longest = 128

    /// - Parameter number: of the stream, among those of the loop.
    init(node: String, loop: Int, number: Int, _ session: Session, _ mint: SessionMint) {
        owner = node
        text = "\(Self.prefix)\(node).\(loop).\(String(number, radix: 36))"
        seal = Self.seal(text, session, mint)
    }

    /// The name and the number in the id of an event; nil unless the event was one of this session's.
    static func read(_ event: String, _ session: Session, _ mint: SessionMint) -> (name: CallStreamName, number: Int)? {
        guard event.utf8.count <= longest else { return nil }
        let words = event.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 5, words[0].hasPrefix(prefix), let number = Int(words[4]), (0...1 << 40).contains(number) else { return nil }
        let text = words[..<3].joined(separator: ".")
        guard words[3].hasSameBytes(as: seal(text, session, mint)) else { return nil }
        let name = CallStreamName(text: text, owner: String(words[0].dropFirst(prefix.count)), seal: String(words[3]))
        return (name, number)
    }

    private init(text: String, owner: String, seal: String) { (self.text, self.owner, self.seal) = (text, owner, seal) }

    private static func seal(_ text: String, _ session: Session, _ mint: SessionMint) -> String {
        mint.seal("\(text)/\(session.id)/\(session.owner)")
    }

    /// The id of an event. - Parameter number: 0 for what stands before the first one.
    func event(_ number: Int) -> String { "\(text).\(seal).\(number)" }

    /// What the streams of an event loop begin with.
    static func beginning(node: String, loop: Int) -> String { "\(prefix)\(node).\(loop)." }
}
