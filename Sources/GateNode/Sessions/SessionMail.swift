// What a server says to one session outside of its requests, on its way to whichever node has a stream of that session.

import ClusterState
import GateDomain
import NIOCore

/// The mail of sessions that keys have opened, in Redis: bounded by number, bytes and time. Streams take it, each message once; a stream that
/// broke is resumed after the last message that its client has seen, on any node.
struct SessionMail {
    let link: any CommandLink
    let keys: RedisKeys
    /// Of this node, for the change feed.
    let origin: String

    /// What a stream is given.
    struct Delivery {
        /// Where it begins: the id that a client without a message resumes after.
        var before = "0-0"
        var messages: [(id: String, bytes: [UInt8])] = []
    }

    /// Messages of one session, and bytes of one of them.
    private static let most = 100
    static let longest = 65_536
    /// Messages that are given at once.
    static let batch = 50

    /// Leaves a message for a session. - Parameter completion: is told whether Redis has it.
    func post(_ message: [UInt8], to session: String, _ completion: @escaping (Bool) -> Void) {
        guard message.count <= Self.longest else { return completion(false) }
        let command = MailCommands(keys: keys).post(message, to: session, most: Self.most, lifetime: Self.lifetime, origin: origin)
        link.send(command) { result in
            if case .success = result { completion(true) } else { completion(false) }
        }
    }

    /// Takes what nobody has taken, or what came after the last message that a client has seen.
    func take(_ session: String, after: String?, _ completion: @escaping (Delivery) -> Void) {
        let command = MailCommands(keys: keys).take(session, after: after, most: Self.batch, lifetime: Self.lifetime)
        link.send(command) { result in
            var delivery = Delivery()
            if let words = (try? result.get())?.array, let before = words.first?.string {
                delivery.before = before
                for index in stride(from: 1, to: words.count - 1, by: 2) {
                    guard let id = words[index].string, case .bytes(let bytes) = words[index + 1] else { continue }
                    delivery.messages.append((id, bytes))
                }
            }
            completion(delivery)
        }
    }

    /// Milliseconds after the last message of a session.
    private static let lifetime = 600_000

    /// The message that an event's id names, `<milliseconds>-<number>.<stream>`; nil for any other text.
    static func message(ofEvent id: String) -> String? {
        guard id.utf8.count <= 128, let dot = id.utf8.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let parts = id[..<dot].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ (1...19).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        return String(id[..<dot])
    }
}
