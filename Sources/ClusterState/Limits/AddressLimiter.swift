// Limits that belong to an address: admin, session and public requests (F-RATE-04 to F-RATE-06).

package import GateDomain
import LuaScripts

/// An exact window over all nodes for each address. It protects the gate and not money: without a store it lets everybody through (F-RATE-10).
package struct AddressLimiter: Sendable {
    /// What a request asks for; each scope has windows of its own.
    package enum Scope: String, Sendable {
        case admin, session
        /// Pages for everybody (F-RATE-06).
        case `public`
    }

    private let store: any CommandStore
    private let caps: [Scope: Int]

    static let windowMilliseconds = 60_000

    /// - Parameter caps: requests a minute and address; 0 for no limit.
    package init(store: any CommandStore, caps: [Scope: Int]) {
        self.store = store
        self.caps = caps
    }

    /// Seconds to wait, or nil if the request may pass.
    package func refusal(_ scope: Scope, of address: IPAddress) async -> Int? {
        guard let command = command(scope, address) else { return nil }
        return Self.wait(try? await store.send(command))
    }

    /// The same on an event loop of the call path; nil at once where there is no limit.
    package func command(_ scope: Scope, _ address: IPAddress) -> RedisCommand? {
        guard let cap = caps[scope], cap > 0 else { return nil }
        return Self.command(scope.rawValue, address.network.description, cap: cap, keys: store.keys)
    }

    /// A further round of a key's call, in a window of the key's own (F-MCP-16).
    /// - Parameter cap: rounds a minute, at least 1.
    package static func round(ofKey key: String, cap: Int, keys: RedisKeys) -> RedisCommand { command("round", key, cap: cap, keys: keys) }

    private static func command(_ scope: String, _ visitor: String, cap: Int, keys: RedisKeys) -> RedisCommand {
        var command = RedisCommand(script: .limitAddress, keys: 1)
        command.append(keys.visits(scope, visitor))
        command.append(cap)
        command.append(windowMilliseconds)
        return command
    }

    /// Seconds that the script says to wait, 1 to 60; nil if the request may pass, or nobody knows.
    package static func wait(_ reply: RedisReply?) -> Int? {
        guard let reply, reply.integer(at: 0) == 1 else { return nil }
        return min(60, max(1, (reply.integer(at: 1) + 999) / 1000))
    }
}
