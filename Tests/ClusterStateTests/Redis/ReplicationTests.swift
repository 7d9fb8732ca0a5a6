// Who follows whom, as servers say it; and that nobody who reads waits for a replica.

@testable import ClusterState
import GateTesting
import LuaScripts
import NIOCore
import NIOPosix
import Testing

@Suite("Replication")
struct ReplicationTests {
    @Test("INFO replication is read: of a primary its replicas and what they lack, of a replica whether it is fed")
    func facts() throws {
        func facts(_ lines: String...) -> ReplicationFacts? { ReplicationFacts(.bytes(Array(lines.joined(separator: "\r\n").utf8))) }
        let primary = try #require(
            facts(
                "# Replication", "role:master", "connected_slaves:2", "slave0:ip=10.0.0.2,port=6379,state=online,offset=90,lag=1",
                "slave1:ip=::1,port=7000,state=wait_bgsave,offset=0,lag=4", "slave2:nonsense", "master_repl_offset:100"))
        #expect(
            primary.followers == [
                .init(place: "10.0.0.2:6379", following: Following(isLinked: true, seconds: 1, bytes: 10)),
                .init(place: "[::1]:7000", following: Following(isLinked: false, seconds: 4, bytes: 100)),
            ])
        let replica = try #require(
            facts(
                "role:slave", "master_link_status:down", "master_last_io_seconds_ago:-1", "slave_repl_offset:77", "master_repl_offset:80"))
        #expect(replica.offset == 77 && !replica.isLinked && replica.silence == 0 && replica.followers.isEmpty)
        #expect(ReplicationFacts(.error("NOPERM")) == nil && ReplicationFacts(.null) == nil)
    }

    @Test("Of what Sentinels say of a replica the word of most of them counts")
    func sentinels() {
        func word(_ port: Int, _ flags: String) -> RedisReply {
            .array(["name", "x", "ip", "10.0.0.2", "port", "\(port)", "flags", flags].map { .bytes(Array($0.utf8)) })
        }
        let words = [
            SentinelReplica.all(in: .array([word(1, "slave"), word(2, "slave,s_down"), word(3, "slave")])),
            SentinelReplica.all(in: .array([word(1, "slave"), word(2, "s_down,slave,disconnected")])),
            SentinelReplica.all(in: .array([word(1, "slave,s_down"), word(2, "slave"), word(3, "s_down,slave")])),
            SentinelReplica.all(in: .error("NOPERM")),
        ]
        #expect(
            SentinelReplica.agreed(words) == [
                SentinelReplica(place: "10.0.0.2:1", isUp: true), SentinelReplica(place: "10.0.0.2:2", isUp: false),
                SentinelReplica(place: "10.0.0.2:3", isUp: false),
            ])
    }

    @Test("A script is a reading if its EFFECT is none, and only then", arguments: LuaScript.allCases)
    func readings(_ script: LuaScript) {
        let effect = ScriptHeader(script).lines["EFFECT"] ?? ""
        #expect(script.isReading == effect.hasPrefix("none"))
        #expect(RedisCommand(script: script, keys: 1).isWrite != script.isReading)
    }

    private static let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// A primary, the replica that has to acknowledge its writes, and a store on it.
    private static func acknowledged(on loop: any EventLoop) async throws -> (RedisServer, RedisServer, RedisStore) {
        let (primary, replica) = (try await RedisServer(), try await RedisServer())
        try await replica.follow(primary)
        let target = try #require(RedisTarget(url: primary.url))
        let store = try await RedisStore(
            connector: RedisConnector(target, replicasToAck: 1), keys: RedisKeys(prefix: "ack:"), loops: [loop], logger: .silent)
        return (primary, replica, store)
    }

    @Test("While a replica hangs that has to acknowledge, what only reads is answered before a write that waits for it")
    func readingsBesideWrites() async throws {
        let (primary, replica, store) = try await Self.acknowledged(on: Self.loop)
        let (loop, link) = (Self.loop, try #require(store.link(of: Self.loop)))
        try await eventually("a write is acknowledged") { (try? await store.send(RedisCommand("SET", "ack:a", "1"))) != nil }
        try await eventually("a reading is answered") { (try? await store.send(RedisCommand("GET", "ack:a"))) != nil }
        replica.pause()
        // A write is refused at once for a moment after one that nobody has acknowledged; one that is not waits for 400 ms.
        try await eventually("a reading overtakes a write", within: .seconds(20)) {
            let write = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
            try await loop.submit { link.value.send(RedisCommand("SET", "ack:a", "2")) { write.succeed($0) } }.get()
            // A tick of its own.
            try await loop.submit {}.get()
            let hasEnded = try await loop.submit { NIOLoopBoundBox(false, eventLoop: loop) }.get()
            write.futureResult.whenComplete { _ in hasEnded.value = true }
            _ = try await store.send(RedisCommand("GET", "ack:a"))
            let wasFirst = try await loop.submit { !hasEnded.value }.get()
            guard case .failure = try await write.futureResult.get() else {
                Issue.record("nobody has acknowledged it")
                return true
            }
            return wasFirst
        }
        replica.resume()
        try await eventually("writes are acknowledged again") { (try? await store.send(RedisCommand("SET", "ack:a", "3"))) != nil }
        await store.stop()
        for server in [primary, replica] { try await server.kill9() }
    }

    @Test("Writes that come while a replica is asked to acknowledge others share one question, however many ticks they come in")
    func sharedQuestion() async throws {
        let (primary, replica, store) = try await Self.acknowledged(on: Self.loop)
        let (loop, link) = (Self.loop, try #require(store.link(of: Self.loop)))
        func questions() async throws -> Int {
            let calls = try await primary.facts("commandstats")["cmdstat_wait"]?.dropFirst("calls=".count).prefix { $0.isNumber }
            return calls.flatMap { Int($0) } ?? 0
        }
        try await eventually("a write is acknowledged") { (try? await store.send(RedisCommand("SET", "ack:a", "1"))) != nil }
        // A replica that hangs for longer than it has to acknowledge makes another attempt necessary.
        try await eventually("thirty writes share two questions", within: .seconds(20)) {
            let before = try await questions()
            replica.pause()
            var written: [EventLoopFuture<Result<RedisReply, StoreFailure>>] = []
            for value in 0..<30 {
                let write = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
                try await loop.submit { link.value.send(RedisCommand("SET", "ack:a", String(value))) { write.succeed($0) } }.get()
                // A tick of its own.
                try await loop.submit {}.get()
                written.append(write.futureResult)
            }
            replica.resume()
            var isAcknowledged = true
            for write in written {
                if case .failure = try await write.get() { isAcknowledged = false }
            }
            let after = try await questions()
            return isAcknowledged && after == before + 2
        }
        await store.stop()
        for server in [primary, replica] { try await server.kill9() }
    }
}
