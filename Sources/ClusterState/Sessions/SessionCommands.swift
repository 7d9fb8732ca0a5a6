// The commands by which sessions, and the live streams of a session, are one thing for all nodes.

import LuaScripts

/// Sessions in Redis; see `session.lua` and `acquire_slot.lua`.
package struct SessionCommands: Sendable {
    package enum Verb: String, Sendable {
        case create
        /// Uses a session, making it if it was minted without being written.
        case adopt
        case touch
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

    package func command(_ verb: Verb, _ id: String, fields: [(String, String)] = []) -> RedisCommand {
        var command = RedisCommand(script: .session, keys: 3)
        for key in [keys.session(id), keys.sessionIndex(id), keys.feed(keys.sessionShard(id))] { command.append(key) }
        command.append(id)
        command.append(verb.rawValue)
        command.append(lifetime)
        command.append(max(1, capacity / keys.shards))
        command.append(keys.channel)
        command.append("-")
        for (field, value) in fields {
            command.append(field)
            command.append(value)
        }
        return command
    }

    /// The facts of a session that lives; nil if there is none.
    package static func facts(_ reply: RedisReply) -> [String: String]? {
        guard let elements = reply.array, elements.first?.integer == 0 else { return nil }
        return RedisReply.array(Array(elements.dropFirst())).fields
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
