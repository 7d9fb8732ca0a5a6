// What sessions have subscribed to, as all nodes know it: at its server it is held by one of them.

import LuaScripts

/// The subscriptions of sessions in Redis, as one node changes them; see `subscription.lua`.
///
/// They are kept as long as their session may be: whoever holds them renews them, and says so with `keep`.
package struct SubscriptionCommands: Sendable {
    private let keys: RedisKeys
    /// The first name of the node, by which it holds.
    private let node: String

    /// Resources of one session, and bytes of all their names.
    package static let (most, mostBytes) = (100, 32_768)
    /// Milliseconds that they are kept without being renewed: as long as an unused session lives.
    private static let lifetime = 1_800_000

    private enum Verb: String {
        case hold, drop, leave, keep, inherit
    }

    package init(keys: RedisKeys, node: String) { (self.keys, self.node) = (keys, node) }

    /// Makes this node hold a subscription. Status 1 if the session has too many.
    /// - Parameter value: what another node needs to take it over.
    package func hold(_ resource: String, of session: String, value: [UInt8]) -> RedisCommand {
        command(.hold, session, resource, value)
    }

    /// Ends a subscription, whoever holds it; who does hears of it.
    package func drop(_ resource: String, of session: String) -> RedisCommand { command(.drop, session, resource) }

    /// Ends a subscription if this node holds it.
    package func leave(_ resource: String, of session: String) -> RedisCommand { command(.leave, session, resource) }

    /// Renews a session's subscriptions, and names those that this node holds.
    package func keep(_ session: String) -> RedisCommand { command(.keep, session, "") }

    /// Makes this node hold what another one held for a session, and names all that it holds.
    /// - Parameter node: the first name of one that is gone.
    package func inherit(_ session: String, from node: String) -> RedisCommand { command(.inherit, session, node) }

    private func command(_ verb: Verb, _ session: String, _ resource: String, _ value: [UInt8] = []) -> RedisCommand {
        var command = RedisCommand(script: .subscription, keys: 1)
        command.append(keys.subscriptions(of: session))
        command.append(verb.rawValue)
        command.append(Self.lifetime)
        command.append(node)
        command.append(resource)
        command.append(value)
        command.append(Self.most)
        command.append(Self.mostBytes)
        command.append(keys.channel)
        command.append(FeedMessage.ephemeral(.subscription, session, origin: node))
        return command
    }

    /// The resources of a `keep`; nil where the script has not answered.
    package static func kept(_ reply: RedisReply) -> [String]? {
        reply.status == 0 ? reply.array?.dropFirst().compactMap(\.string) : nil
    }

    /// The resources of an `inherit` with their values; nil where the script has not answered.
    package static func inherited(_ reply: RedisReply) -> [(resource: String, value: [UInt8])]? {
        guard reply.status == 0, let words = reply.array else { return nil }
        return stride(from: 1, to: words.count - 1, by: 2).compactMap { index in
            guard let resource = words[index].string, case .bytes(let value) = words[index + 1] else { return nil }
            return (resource, value)
        }
    }
}
