// Endpoints behind the real front handler, on a socket.

import ClusterState
@testable import GateNode
@testable import GateSettings
import GateTesting
import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Endpoints behind the front handler, on a port.
enum LiveBench {
    static func run(_ endpoints: [Endpoint], _ test: @Sendable @escaping (_ port: Int) async throws -> Void) async throws {
        let (redis, group) = (try await RedisServer(), MultiThreadedEventLoopGroup(numberOfThreads: 1))
        var settings = Settings()
        (settings.publicRateLimit, settings.redisUrl) = (0, redis.url)
        let node = try await AdminBench.makeNode(settings, redis, on: group.next())
        let loops = try await LoopContexts(
            node.gateParts, loops: [group.next()], headers: ResponseHeaders(settings),
            log: CallLogSink(level: .error, format: settings.logFormat))
        let (ports, announce) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
        let application = Application(
            responder: GateRouter(EndpointTable("test", endpoints), on: node.adminParts) { NodeFigures() },
            server: HTTPServerBuilder { GateChildChannel(responder: $0, loops: loops) },
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { announce.yield($0.localAddress?.port ?? 0) }, eventLoopGroupProvider: .shared(group), logger: .silent)
        try await withThrowingTaskGroup { tasks in
            tasks.addTask { try await application.run() }
            for await port in ports {
                try await test(port)
                break
            }
            tasks.cancelAll()
        }
        await node.store.stop()
        try await group.shutdownGracefully()
    }
}

/// A socket that tells a reset from an end.
final class LiveClient: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var isEnded = false
        var isReset = false
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let client: LiveClient

        init(_ client: LiveClient) { self.client = client }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            client.state.withLock { $0.bytes += unwrapInboundIn(data).readableBytesView }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            if (error as? IOError)?.errnoCode == ECONNRESET { client.state.withLock { $0.isReset = true } }
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { client.state.withLock { $0.isEnded = true } }
    }

    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    init(port: Int, _ request: String, reads: Bool = true) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(self)) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        self.channel.withLock { $0 = channel }
        try await channel.writeAndFlush(ByteBuffer(string: request)).get()
    }

    /// Sends more.
    func send(_ bytes: [UInt8]) async throws {
        guard let channel = channel.withLock({ $0 }) else { return }
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    var text: String { String(decoding: state.withLock { $0.bytes }, as: UTF8.self) }
    var isEnded: Bool { state.withLock { $0.isEnded } }
    var isReset: Bool { state.withLock { $0.isReset } }

    func close() async {
        try? await channel.withLock { $0 }?.close().get()
    }
}
