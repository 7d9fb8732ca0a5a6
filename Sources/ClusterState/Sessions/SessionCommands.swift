// The commands by which sessions, and the live streams of a session, are one thing for all nodes.

import LuaScripts

/// Sessions in Redis; see `session.lua` and `acquire_slot.lua`.
package struct SessionCommands: Sendable {
    /// What becomes of a session; the words of session.lua.
    package enum Verb: String, Sendable {
        /// Writes it.
        case create
        /// Uses a session, making it if it was minted without being written.
        case adopt
        /// Uses one that has to be there.
        case touch
        /// Takes it away.
        case end
    }

    private let keys: RedisKeys
    /// Milliseconds that an unused session lives.
    private let lifetime: Int
    /// Sessions of the cluster.
    private let capacity: Int

    package init(keys: RedisKeys, lifetime: Int, capacity: Int) {
        self.keys = keys
        self.lifetime = lifetime
        self.capacity = capacity
    }

    /// - Parameters:
    ///   - isOwned: whether a key opened the session; no session of another kind ever crowds it out.
    ///   - owner: the digest of the credential that it was opened with; empty for none.
    ///   - level: from which on it hears of logs; empty leaves that as it is.
    ///   - revision: the one that it has agreed on, where that makes a difference; empty leaves it as it is.
    ///   - key: the id of the key whose credential the owner's is; empty leaves it as it is.
    package func command(
        _ verb: Verb, _ id: String, isOwned: Bool, owner: String = "", level: String = "", revision: String = "", key: String = ""
    ) -> RedisCommand {
        let shard = keys.sessionShard(id)
        var command = RedisCommand(script: .session, keys: 5)
        for key in [
            keys.sessions(shard), keys.guestSessions(shard), keys.sessionOwners(shard), keys.endedSessions(shard), keys.feed(shard),
        ] {
            command.append(key)
        }
        command.append(id)
        command.append(verb.rawValue)
        command.append(lifetime)
        command.append(max(1, capacity / keys.shards))
        command.append(keys.channel)
        command.append("-")
        command.append(isOwned ? "owned" : "guest")
        command.append(owner)
        command.append(level)
        command.append(revision)
        command.append(key)
        return command
    }

    /// The level of logs of a session that lives; nil if it has named none.
    package static func level(_ reply: RedisReply) -> String? { text(2, of: reply) }

    /// The revision of a session that lives; nil where it makes no difference which one that is.
    package static func revision(_ reply: RedisReply) -> String? { text(3, of: reply) }

    /// The id of the key that opened a session that lives; nil if none did, or a node of a version that did not write it down.
    package static func key(_ reply: RedisReply) -> String? { text(4, of: reply) }

    private static func text(_ index: Int, of reply: RedisReply) -> String? {
        guard let elements = reply.array, elements.count > index, let text = elements[index].string, !text.isEmpty else { return nil }
        return text
    }

    /// The owner of a session that lives, empty for none; nil if there is no such session.
    package static func owner(_ reply: RedisReply) -> String? {
        guard let elements = reply.array, elements.first?.integer == 0 else { return nil }
        return elements.count > 1 ? elements[1].string ?? "" : ""
    }

    /// Takes, renews or gives back one of the session's places for a live stream.
    /// - Parameters:
    ///   - cap: places of a session.
    ///   - lifetime: milliseconds that a place is held without being renewed.
    package func place(of session: String, holder: String, cap: Int, lifetime: Int, leaving: Bool) -> RedisCommand {
        var command = RedisCommand(script: .acquireSlot, keys: 1)
        command.append(keys.streams(session))
        command.append(holder)
        command.append(cap)
        command.append(lifetime)
        command.append(leaving ? 1 : 0)
        return command
    }
}

/// What servers say to sessions outside of requests; see `post_mail.lua` and `take_mail.lua`, and for what they say to all of them
/// `post_news.lua` and `claim_news.lua`. What the streams of calls say lies there as well; who resumes one claims it (`claim_stream.lua`).
package struct MailCommands: Sendable {
    private let keys: RedisKeys

    package init(keys: RedisKeys) { self.keys = keys }

    /// - Parameters:
    ///   - session: or the name of a call's stream.
    ///   - number: of the message among those of its stream, 1 or more: what comes twice, or too late, is passed over. Nil has Redis number it.
    ///   - piece: of the message, 0 or more.
    ///   - most: messages of a session that are kept.
    ///   - lifetime: milliseconds after the last message.
    ///   - dropped: of its stream, what makes room for it: pieces of messages by the numbers of these.
    ///   - isTold: whether the nodes hear of it.
    ///   - origin: the node.
    package func post(
        _ message: [UInt8], to session: String, number: Int? = nil, piece: Int = 0, most: Int, lifetime: Int,
        dropping dropped: [(number: Int, piece: Int)] = [], isTold: Bool = true, origin: String
    ) -> RedisCommand {
        let isNumbered = number != nil
        var command = RedisCommand(script: .postMail, keys: isNumbered ? 1 : 3)
        command.append(keys.mail(session))
        if !isNumbered {
            command.append(keys.takenMail(session))
            command.append(keys.mailRuns(session))
        }
        command.append(most)
        command.append(lifetime)
        command.append(message)
        command.append(keys.channel)
        command.append(isTold ? FeedMessage.ephemeral(.mail, session, origin: origin) : "")
        command.append(number.map { "\($0)-\(piece)" } ?? "*")
        for dropped in dropped { command.append("\(dropped.number)-\(dropped.piece)") }
        return command
    }

    /// - Parameters:
    ///   - stream: of the session, by its name.
    ///   - after: the id of a message; empty for what nobody has taken.
    ///   - most: messages that are looked through at once.
    ///   - kept: messages of a session that are kept.
    ///   - lifetime: milliseconds for which it is known what was taken.
    package func take(_ session: String, for stream: String, after: String, most: Int, kept: Int, lifetime: Int) -> RedisCommand {
        var command = RedisCommand(script: .takeMail, keys: 3)
        command.append(keys.mail(session))
        command.append(keys.takenMail(session))
        command.append(keys.mailRuns(session))
        command.append(lifetime)
        command.append(after)
        command.append(most)
        command.append(stream)
        command.append(kept)
        return command
    }

    /// What the stream of a call has said, after a piece of a message or, if that is nil, after the whole message. It runs no script: what
    /// takes a stream's megabytes through one keeps all others from the store.
    /// - Parameter most: pieces at once.
    package func read(_ stream: String, after number: Int, _ piece: Int?, most: Int) -> RedisCommand {
        RedisCommand("XRANGE", keys.mail(stream), piece.map { "(\(number)-\($0)" } ?? "\(number + 1)-0", "+", "COUNT", String(most))
    }

    /// The last piece of a message that the stream of a call has; nothing if it has none of it.
    package func end(of number: Int, in stream: String) -> RedisCommand {
        RedisCommand("XREVRANGE", keys.mail(stream), String(number), String(number), "COUNT", "1")
    }

    // MARK: Who resumes the stream of a call

    /// Claims a stream for one who resumes it, or gives it back.
    /// - Parameters:
    ///   - ticket: of the reader, which no other has.
    ///   - after: the last message that it has got.
    ///   - moment: milliseconds for which nobody else gets what the first one gets.
    ///   - lifetime: milliseconds for which it is known who has it.
    package func claim(_ stream: String, for ticket: String, after: Int, moment: Int, lifetime: Int, leaving: Bool = false) -> RedisCommand
    {
        var command = RedisCommand(script: .claimStream, keys: 1)
        command.append(keys.mailReader(stream))
        command.append(ticket)
        command.append(after)
        command.append(moment)
        command.append(lifetime)
        command.append(leaving ? 1 : 0)
        return command
    }

    /// Who has claimed a stream.
    package func reader(of stream: String) -> RedisCommand { RedisCommand("GET", keys.mailReader(stream)) }

    /// The ticket of the reader that a stream is claimed for; nil if it is nobody's.
    package static func ticket(_ reply: RedisReply) -> String? {
        let words = reply.string?.split(separator: " ", maxSplits: 2) ?? []
        return words.count == 3 ? String(words[2]) : nil
    }

    /// Adds to the bytes of a key's streams of calls in a period, and has them forgotten afterwards.
    /// - Parameters:
    ///   - way: what is done with them.
    ///   - holder: the key of the sessions; nil for those of all.
    ///   - period: its number, and milliseconds of it.
    package func share(_ way: String, of holder: String?, adding bytes: Int, period: (number: Int, length: Int)) -> [RedisCommand] {
        let name = keys.mailShare(of: holder, way, period: period.number)
        return [
            RedisCommand(once: "HINCRBY", name, "bytes", String(bytes)), RedisCommand("PEXPIRE", name, String(2 * period.length)),
        ]
    }

    // MARK: News of lists

    /// - Parameters:
    ///   - list: the method of the notification.
    ///   - lifetime: milliseconds after the last news.
    ///   - echo: milliseconds within which another node's news in the same words are the same.
    ///   - most: lists that are kept.
    package func post(_ message: [UInt8], of list: String, by node: String, lifetime: Int, echo: Int, most: Int) -> RedisCommand {
        var command = RedisCommand(script: .postNews, keys: 1)
        command.append(keys.news)
        command.append(list)
        command.append(message)
        command.append(node)
        command.append(lifetime)
        command.append(echo)
        command.append(most)
        command.append(keys.channel)
        return command
    }

    /// The last news of each list.
    package var news: RedisCommand { RedisCommand("HGETALL", keys.news) }

    /// - Parameters:
    ///   - news: the list and the number of each.
    ///   - stream: of the session, by its name.
    ///   - lifetime: milliseconds for which it is known who has told them.
    package func claim(_ news: [(list: String, number: Int)], of session: String, for stream: String, lifetime: Int) -> RedisCommand {
        var command = RedisCommand(script: .claimNews, keys: 1)
        command.append(keys.toldNews(session))
        command.append(lifetime)
        command.append(stream)
        for item in news {
            command.append(item.list)
            command.append(item.number)
        }
        return command
    }
}
