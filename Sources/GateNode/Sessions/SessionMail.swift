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
    /// Pieces of a call's stream, bytes of one of them, and how many are read at once.
    private static let mostOfStream = 256
    private static let longestPiece = 256 << 10
    static let pieces = 8
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

    /// Milliseconds after the last message of a session, or of a call's stream.
    static let lifetime = 600_000

    // MARK: Streams of calls

    /// A part of an event of the stream of a call: an event that is large is kept, and read, in several.
    struct Piece {
        /// Of the event, 1 or more.
        let event: Int
        /// Among those of its event, from 0.
        let number: Int
        let end: End
        let bytes: ArraySlice<UInt8>
    }

    /// What a piece ends; as it is marked in the store.
    enum End: UInt8 {
        case nothing = 0x2B
        case event = 0x2E
        /// The last event, and with it the stream.
        case stream = 0x21
    }

    /// Leaves an event of a call's stream under its number: once, however often it is left, and after those before it.
    /// - Parameter completion: is told whether the store has all of it.
    func leave(_ message: [UInt8], isLast: Bool, number: Int, of stream: String, _ completion: @escaping (Bool) -> Void) {
        leave(message[...], piece: 0, isLast ? .stream : .event, number: number, of: stream, completion)
    }

    private func leave(
        _ rest: ArraySlice<UInt8>, piece: Int, _ end: End, number: Int, of stream: String, _ completion: @escaping (Bool) -> Void
    ) {
        let (bytes, after) = (rest.prefix(Self.longestPiece), rest.dropFirst(Self.longestPiece))
        let mark = after.isEmpty ? end : .nothing
        let command = MailCommands(keys: keys).post(
            [mark.rawValue] + bytes, to: stream, number: number, piece: piece, most: Self.mostOfStream, lifetime: Self.lifetime,
            origin: origin)
        link.send(command) { result in
            guard case .success(let reply) = result, case .array = reply else { return completion(false) }
            if after.isEmpty { return completion(true) }
            leave(after, piece: piece + 1, end, number: number, of: stream, completion)
        }
    }

    /// What a call's stream has said after a piece of an event, or after the whole event: `pieces` at most; nothing if the store does not
    /// answer.
    func read(_ stream: String, after event: Int, _ piece: Int?, _ completion: @escaping ([Piece]) -> Void) {
        link.send(MailCommands(keys: keys).read(stream, after: event, piece, most: Self.pieces)) { result in
            let entries = (try? result.get())?.array ?? []
            completion(entries.compactMap(Self.piece))
        }
    }

    private static func piece(_ entry: RedisReply) -> Piece? {
        guard let words = entry.array, words.count == 2, let id = words[0].string?.split(separator: "-"), id.count == 2,
            let event = Int(id[0]), let number = Int(id[1]), let fields = words[1].array, fields.count == 2,
            case .bytes(let bytes) = fields[1], let end = bytes.first.flatMap(End.init)
        else { return nil }
        return Piece(event: event, number: number, end: end, bytes: bytes.dropFirst())
    }

    /// The message that an event's id names, `<milliseconds>-<number>.<stream>`; nil for any other text.
    static func message(ofEvent id: String) -> String? {
        guard id.utf8.count <= 128, let dot = id.utf8.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let parts = id[..<dot].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ (1...19).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        return String(id[..<dot])
    }
}
