// A Redis that answers and will not: every refusal is retryable, and nothing was applied.

@testable import ClusterState
import GateDomain
import GateTesting
import NIOCore
import NIOPosix
import Testing

@Suite("A Redis that refuses")
struct RedisRefusalTests {
    @Test(
        "Out of memory, read-only, without replicas: the call is refused as a whole and works again afterwards (F25)",
        arguments: [
            [["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
            [["CONFIG", "SET", "min-replicas-to-write", "1"], ["CONFIG", "SET", "min-replicas-to-write", "0"]],
            [["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
        ])
    func refusals(_ commands: [[String]]) async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server)
        let caller = try await node.makeKey(credits: 10)
        let (open, call) = (TestCall(caller: caller, price: 2), TestCall(caller: caller, price: 3))
        #expect(await node.admit(open).isAdmitted)
        try await node.send(commands[0])
        #expect(await node.admit(call).word.hasPrefix("failed unavailable"))
        await #expect(throws: RecordRefusal.self) {
            _ = try await node.directory.topUp(caller.record.id, credits: 5, .test("o", ""))
        }
        let early = await node.settle(open, [(1, 0)])
        try await node.send(commands[1])
        #expect(try await node.credits(caller) == (early.charged == nil ? 8 : 9))
        #expect(await node.settle(open, [(1, 0)]).charged == 1)
        #expect(await node.admit(call).isAdmitted)
        #expect(try await node.directory.topUp(caller.record.id, credits: 5, .test("o", "")) == 11)
    }

    @Test("A password and a database are told to every connection; without them nobody is let in (F-REDIS-08)")
    func authentication() async throws {
        let server = try await RedisServer()
        let admin = try await TestNode(on: server)
        try await admin.send("CONFIG", "SET", "requirepass", "s3cret")
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        func store(_ password: String?) async throws -> RedisStore {
            var target = RedisTarget(unixSocket: server.socket)
            (target.password, target.database) = (password, 3)
            return try await RedisStore(
                connector: RedisConnector(target), keys: RedisKeys(prefix: "x:"), loops: [loop], logger: .silent)
        }
        let (good, bad, none) = (try await store("s3cret"), try await store("wrong"), try await store(nil))
        try await eventually { await good.isReachable }
        _ = try await good.send(RedisCommand("SET", "place", "3"))
        for refused in [bad, none] {
            #expect(await refused.isReachable == false)
            await #expect(throws: StoreFailure.self) { try await refused.send(RedisCommand("PING")) }
        }
        #expect(try await admin.send("GET", "place") == .null)
        for store in [good, bad, none] { await store.stop() }
    }
}
