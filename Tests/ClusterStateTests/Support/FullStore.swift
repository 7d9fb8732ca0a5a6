// A way to a real Redis that has no memory left whenever a hold is to be ended.

@testable import ClusterState
import LuaScripts

struct FullStore: CommandStore {
    let store: RedisStore
    var keys: RedisKeys { store.keys }

    func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        guard command.script == .settle else { return try await store.send(command) }
        try await limit("1")
        let reply = try await store.send(command)
        try await limit("0")
        return reply
    }

    func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply { try await store.sendPatiently(command) }

    func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] { try await store.sendAll(commands) }

    private func limit(_ bytes: String) async throws(StoreFailure) {
        _ = try await store.sendPatiently(RedisCommand("CONFIG", "SET", "maxmemory", bytes))
    }
}
