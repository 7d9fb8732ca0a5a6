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
    static let mostOfStream = 256
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

    /// In how many pieces an event of so many bytes is left.
    static func pieces(of bytes: Int) -> Int { max(1, (bytes + longestPiece - 1) / longestPiece) }

    /// Leaves an event of a call's stream under its number: once, however often it is left, and after those before it. The nodes hear of it when
    /// all of it lies there.
    /// - Parameters:
    ///   - dropped: pieces of others that give way to it.
    ///   - completion: is told whether the store has all of it.
    func leave(
        _ message: [UInt8], isLast: Bool, number: Int, of stream: String, dropping dropped: [(number: Int, piece: Int)],
        _ completion: @escaping (Bool) -> Void
    ) {
        leave(message[...], piece: 0, isLast ? .stream : .event, number: number, of: stream, dropping: dropped, completion)
    }

    private func leave(
        _ rest: ArraySlice<UInt8>, piece: Int, _ end: End, number: Int, of stream: String, dropping dropped: [(number: Int, piece: Int)],
        _ completion: @escaping (Bool) -> Void
    ) {
        let (bytes, after) = (rest.prefix(Self.longestPiece), rest.dropFirst(Self.longestPiece))
        let mark = after.isEmpty ? end : .nothing
        let command = MailCommands(keys: keys).post(
            [mark.rawValue] + bytes, to: stream, number: number, piece: piece, most: Self.mostOfStream, lifetime: Self.lifetime,
            dropping: dropped, isTold: after.isEmpty, origin: origin)
        link.send(command) { result in
            guard case .success(let reply) = result, case .array = reply else { return completion(false) }
            if after.isEmpty { return completion(true) }
            leave(after, piece: piece + 1, end, number: number, of: stream, dropping: [], completion)
        }
    }

    /// What a call's stream has said after a piece of an event, or after the whole event: `pieces` at most, and of an event that is not begun
    /// nothing until the store has all of it, as the node that leaves it there may die.
    /// - Parameter completion: gets nothing if the store does not answer, and nil if another reader has the stream now.
    func read(_ stream: String, after event: Int, _ piece: Int?, for ticket: String, _ completion: @escaping ([Piece]?) -> Void) {
        let commands = MailCommands(keys: keys)
        link.send(commands.read(stream, after: event, piece, most: Self.pieces)) { [self] result in
            let pieces = ((try? result.get())?.array ?? []).compactMap(Self.piece)
            // Asked behind it: what was read before another one came is still this one's.
            link.send(commands.reader(of: stream)) { [self] result in
                guard let reply = try? result.get() else { return completion([]) }
                guard MailCommands.ticket(reply) ?? ticket == ticket else { return completion(nil) }
                keepWhole(pieces, of: stream, begun: piece == nil ? nil : event, completion)
            }
        }
    }

    private func keepWhole(_ pieces: [Piece], of stream: String, begun: Int?, _ completion: @escaping ([Piece]?) -> Void) {
        guard let last = pieces.last, last.end == .nothing, last.event != begun else { return completion(pieces) }
        link.send(MailCommands(keys: keys).end(of: last.event, in: stream)) { result in
            let end = (try? result.get())?.array?.first.flatMap(Self.piece)?.end ?? .nothing
            completion(end == .nothing ? Array(pieces.prefix { $0.event != last.event }) : pieces)
        }
    }

    private static func piece(_ entry: RedisReply) -> Piece? {
        guard let words = entry.array, words.count == 2, let id = words[0].string?.split(separator: "-"), id.count == 2,
            let event = Int(id[0]), let number = Int(id[1]), let fields = words[1].array, fields.count == 2,
            case .bytes(let bytes) = fields[1], let end = bytes.first.flatMap(End.init)
        else { return nil }
        return Piece(event: event, number: number, end: end, bytes: bytes.dropFirst())
    }

    // MARK: Who reads the stream of a call

    /// What became of the wish to have a stream.
    enum Claim {
        /// It is the reader's; and was another's before, by the ticket of that.
        case granted(before: String?)
        /// Another one has it since this moment.
        case refused
        /// The store does not say.
        case failed
    }

    /// Milliseconds for which one who resumes a stream has it to himself, if nobody shows that he has got more of it.
    private static let moment = 1_000

    /// Claims a call's stream for a reader, over all nodes. - Parameter event: the last that its client has got.
    func claim(_ stream: String, for ticket: String, after event: Int, _ completion: @escaping (Claim) -> Void) {
        let command = MailCommands(keys: keys).claim(
            stream, for: ticket, after: event, moment: Self.moment, lifetime: Self.lifetime)
        link.send(command) { result in
            guard let words = (try? result.get())?.array, words.count == 2 else { return completion(.failed) }
            guard words[0].integer == 0 else { return completion(.refused) }
            let before = words[1].string ?? ""
            completion(.granted(before: before.isEmpty ? nil : before))
        }
    }

    /// Gives a stream back, if it is still this reader's.
    func unclaim(_ stream: String, for ticket: String) {
        let command = MailCommands(keys: keys).claim(
            stream, for: ticket, after: 0, moment: Self.moment, lifetime: Self.lifetime, leaving: true)
        link.send(command) { _ in }
    }
}
