// Whose sessions at servers are ended when a node is gone, and whose are not.

import ClusterState
import GateDomain
import GateTesting
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import GateNode
@testable import MCPUpstream

@Suite("Sessions that a node has left at servers")
struct LentSessionsTests {
    /// A server that notes which sessions it was told to end.
    private final class Server: MCPUpstream.Upstream {
        let ended = Mutex<Set<String>>([])
        private let onEnd: @Sendable () async -> Void
        let prefix: String? = nil
        let isConnected = true
        let trouble: String? = nil
        let serverInfo: InitializeResult? = nil

        init(onEnd: @escaping @Sendable () async -> Void = {}) { self.onEnd = onEnd }

        func end(_ session: HTTPSessionName) async {
            ended.withLock { _ = $0.insert(session.id) }
            await onEnd()
        }
        func nextNumber() -> UInt64 { 0 }
        func send(_ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop) {}
        func cancel(_ number: UInt64, on loop: any EventLoop) {}
        func notify(_ message: ByteBuffer) {}
        func start() async throws(StartupFailure) {}
        func stop() async {}
    }

    private let redis: RedisServer
    private let store: RedisStore
    private let heir: LentSessions

    init() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        redis = try await RedisServer()
        store = try await AdminBench.store(of: redis, on: loop)
        heir = LentSessions(node: "heir", store: store, on: loop)
        try await live("heir")
    }

    private func live(_ name: String) async throws {
        _ = try await store.send(RedisCommand("HSET", store.keys.nodes, name, "1"))
    }

    private func open(_ ids: [String], by node: String) async throws {
        for id in ids { _ = try await store.send(RedisCommand("SADD", store.keys.serverSessions(of: node), "http://server - \(id)")) }
    }

    private func left(by node: String) async throws -> Int? {
        try await store.send(RedisCommand("SCARD", store.keys.serverSessions(of: node))).integer
    }

    @Test("A node that lives after all keeps what it has opened since it was taken for dead, and what was not ended by then")
    func comesBack() async throws {
        try await open((0..<40).map { "old\($0)" }, by: "gone")
        let server = Server { [self] in
            try? await live("gone+1")
            try? await open((0..<40).map { "new\($0)" }, by: "gone")
        }
        try await heir.end(of: "gone", at: UpstreamSet([server], transport: "http"))
        let ended = server.ended.withLock { $0 }
        #expect(!ended.isEmpty && ended.allSatisfy { $0.hasPrefix("old") }, "\(ended)")
        #expect(ended.count < 40)
        #expect(try await left(by: "gone") == 80 - ended.count)
        // It opens some, and is not heard of in time.
        _ = try await store.send(RedisCommand("HDEL", store.keys.nodes, "gone+1"))
        let later = Server { [self] in try? await open(["later"], by: "gone") }
        try await heir.end(of: "gone", at: UpstreamSet([later], transport: "http"))
        #expect(later.ended.withLock { $0.count == 80 - ended.count && !$0.contains("later") })
        await store.stop()
    }

    @Test("A session of a name that a living node has, too, is not ended, as a server may give all nodes the same; the others are")
    func sameName() async throws {
        try await live("third+2")
        try await open(["of all", "of heir", "own"], by: "gone")
        try await open(["of all", "of heir"], by: "heir")
        try await open(["of all"], by: "third")
        let server = Server()
        try await heir.end(of: "gone", at: UpstreamSet([server], transport: "http"))
        #expect(server.ended.withLock { $0 } == ["own"])
        #expect(try await left(by: "gone") == 0)
        _ = try await store.send(RedisCommand("HDEL", store.keys.nodes, "third+2"))
        try await heir.end(of: "third", at: UpstreamSet([server], transport: "http"))
        #expect(server.ended.withLock { $0 } == ["own"])
        let last = LentSessions(node: "last", store: store, on: MultiThreadedEventLoopGroup.singleton.next())
        _ = try await store.send(RedisCommand("HDEL", store.keys.nodes, "heir"))
        try await last.end(of: "heir", at: UpstreamSet([server], transport: "http"))
        #expect(server.ended.withLock { $0 } == ["own", "of all", "of heir"])
        await store.stop()
    }
}
