// What no call waits for is read elsewhere than calls are.

import GateTesting
import NIOCore
import NIOPosix
import Testing

@testable import ClusterState

@Suite("The link for what is off the call path")
struct BackgroundLinkTests {
    private static func id(of link: NIOLoopBound<any StoreLink>, on loop: any EventLoop) async throws -> Int? {
        let promise = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
        try await loop.submit { link.value.send(RedisCommand("CLIENT", "ID")) { promise.succeed($0) } }.get()
        return try await promise.futureResult.get().get().integer
    }

    @Test("Commands that are sent from off the call path take a link of their own, and never one that a call loop reads from")
    func own() async throws {
        let (server, group) = (try await RedisServer.shared.value, MultiThreadedEventLoopGroup(numberOfThreads: 3))
        let loops = Array(group.makeIterator())
        let store = try await RedisStore(
            connector: RedisConnector(RedisTarget(unixSocket: server.socket)), keys: RedisKeys(prefix: "aside:"),
            loops: Array(loops.prefix(2)), background: loops[2], logger: .silent)
        try await eventually("the links are there") { await store.isReachable }
        let own = try await store.send(RedisCommand("CLIENT", "ID")).integer
        for _ in 0..<5 { #expect(try await store.send(RedisCommand("CLIENT", "ID")).integer == own) }
        #expect(try await store.sendAll([RedisCommand("CLIENT", "ID"), RedisCommand("CLIENT", "ID")]).map(\.integer) == [own, own])
        for loop in loops.prefix(2) {
            let link = try #require(store.link(of: loop))
            try await eventually("a loop's link is there") { try await Self.id(of: link, on: loop).map { $0 != own } ?? false }
        }
        await store.stop()
        try await group.shutdownGracefully()
    }
}
