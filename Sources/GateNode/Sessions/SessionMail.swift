// What a server says to one session outside of its requests, on its way to whichever node has a stream of that session.

import ClusterState
import GateDomain
import NIOCore

/// The mail of sessions that keys have opened, in Redis: bounded by number, bytes and time. A session's streams take it, each message on one of
/// them; a stream that broke is resumed after the last message that its client has seen, on any node, and gets what is its own.
struct SessionMail {
    let link: any CommandLink
    let keys: RedisKeys
    /// Of this node, for the change feed.
    let origin: String

    /// What a stream is given.
    struct Delivery {
        /// Up to where the session's mail was looked through for it.
        let seen: String
        let messages: [(id: String, bytes: [UInt8])]
        /// Whether there may be more behind that.
        let isFull: Bool
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

    /// Takes for a stream what nobody has taken, and gives it again what it has got.
    /// - Parameters:
    ///   - after: up to where the mail was looked through for this stream; empty for a new one.
    ///   - completion: gets nil if the store does not answer.
    func take(_ session: String, for stream: String, after: String, _ completion: @escaping (Delivery?) -> Void) {
        let command = MailCommands(keys: keys).take(
            session, for: stream, after: after, most: Self.batch, kept: Self.most, lifetime: Self.lifetime)
        link.send(command) { result in
            guard let words = (try? result.get())?.array, words.count > 1, let seen = words[0].string, let count = words[1].integer else {
                return completion(nil)
            }
            var messages: [(id: String, bytes: [UInt8])] = []
            for index in stride(from: 2, to: words.count - 1, by: 2) {
                guard let id = words[index].string, case .bytes(let bytes) = words[index + 1] else { continue }
                messages.append((id, bytes))
            }
            completion(Delivery(seen: seen, messages: messages, isFull: count == Self.batch))
        }
    }

    /// Tells all nodes that a stream goes on on another connection.
    func tell(moved word: String) { link.send(FeedMessage.ephemeral(.moved, word, keys: keys, origin: origin)) { _ in } }

    // MARK: News of lists

    /// Numbers the news of a list. - Parameter completion: is told nil if the store has not taken them.
    func post(_ message: [UInt8], of list: String, _ completion: @escaping (Int?) -> Void) {
        guard message.count <= ListNews.longest else { return completion(nil) }
        let command = MailCommands(keys: keys).post(
            message, of: list, by: origin, lifetime: ListNews.lifetime, echo: ListNews.echo,
            most: ListNews.known.contains(list) ? ListNews.most : ListNews.most - ListNews.known.count)
        link.send(command) { result in
            let number = (try? result.get())?.integer(at: 0)
            completion(number.flatMap { $0 > 0 ? $0 : nil })
        }
    }

    /// The last news of each list. - Parameter completion: gets nil if the store does not answer.
    func news(_ completion: @escaping ([ListNews]?) -> Void) {
        link.send(MailCommands(keys: keys).news) { result in
            guard let words = (try? result.get())?.array else { return completion(nil) }
            completion(
                stride(from: 0, to: words.count - 1, by: 2).compactMap { index in
                    guard let list = words[index].string, case .bytes(let value) = words[index + 1] else { return nil }
                    let parts = value.split(separator: UInt8(ascii: " "), maxSplits: 2)
                    guard parts.count == 3, let number = Int(String(decoding: parts[0], as: UTF8.self)) else { return nil }
                    return ListNews(list: list, message: Array(parts[2]), number: number)
                })
        }
    }

    /// Claims news for a stream of a session. - Parameter completion: is told of each whether the stream may tell it; so it may if the store does
    /// not say.
    func claim(_ news: [ListNews], of session: String, for stream: String, _ completion: @escaping ([Bool]) -> Void) {
        let command = MailCommands(keys: keys).claim(
            news.map { ($0.list, $0.number) }, of: session, for: stream, lifetime: ListNews.lifetime)
        link.send(command) { result in
            let words = (try? result.get())?.array ?? []
            completion(news.indices.map { index in index < words.count ? words[index].integer != 0 : true })
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
}
