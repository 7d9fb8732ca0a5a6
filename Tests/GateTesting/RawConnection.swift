// Bytes on a socket, for what no decent HTTP client would send.

import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// One TCP connection to a gate; keeps all that comes back.
package final class RawConnection: Sendable {
    private let channel: any Channel
    private let received: Received

    /// - Parameters:
    ///   - readsLate: Nothing is read before `read()`; the kernel holds a few kilobytes for it meanwhile.
    ///   - source: Its own address: any of 127.0.0.0/8, each of which is another client to a gate.
    package init(port: Int, readsLate: Bool = false, from source: String? = nil) async throws {
        let received = Received()
        self.received = received
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: !readsLate)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(ReceivingHandler(received)) }
            }
        let narrow = readsLate ? bootstrap.channelOption(.socketOption(.so_rcvbuf), value: 4096) : bootstrap
        let own = try source.map { try SocketAddress(ipAddress: $0, port: 0) }
        channel = try await (own.map(narrow.bind(to:)) ?? narrow).connect(host: "127.0.0.1", port: port).get()
    }

    /// Reads all that comes from now on.
    package func read() async throws { try await channel.setOption(.autoRead, value: true).get() }

    /// Reads once, of a connection that does not read by itself: some kilobytes.
    package func readOnce() { channel.read() }

    /// Bytes so far.
    package var count: Int { received.count }
    package var bytes: [UInt8] { received.bytes }
    package var text: String { String(decoding: received.bytes, as: UTF8.self) }
    /// Whether the other side has ended the connection.
    package var isEnded: Bool { received.isEnded }
    /// The statuses of all answers so far, found by their status lines.
    package var statuses: [Int] {
        text.split(separator: "HTTP/1.1 ", omittingEmptySubsequences: false).dropFirst().compactMap { Int($0.prefix(3)) }
    }

    /// A connection that the other side has closed swallows what is sent.
    package func send(_ text: String) async { await send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) async { await offer(bytes, for: .seconds(60)) }

    /// Sends as far as the other side takes it within the limit.
    /// - Returns: Whether all of it was taken.
    @discardableResult
    package func offer(_ bytes: [UInt8], for limit: Duration) async -> Bool {
        let flag = Flag()
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenSuccess { flag.set() }
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: promise)
        let deadline = ContinuousClock.now + limit
        while !flag.isSet, !isEnded, channel.isActive, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(2)) }
        return flag.isSet
    }

    /// Says that nothing more will be sent; answers can still be read.
    package func endSending() async throws { try await channel.close(mode: .output).get() }

    package func close() async { try? await channel.close().get() }

    /// Ends the connection with RST, so that the other side knows that nothing of it is read any more.
    package func reset() async throws {
        try await (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        await close()
    }

    /// Waits until an answer has come or the connection was ended.
    ///
    /// - Returns: Whether that was so before the limit.
    @discardableResult
    package func waitForAnswer(within limit: Duration = .seconds(5), atLeast count: Int = 1) async throws -> Bool {
        let deadline = ContinuousClock.now + limit.patiently
        while !isEnded, statuses.count < count {
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: .milliseconds(5))
        }
        return true
    }

    /// Sends the bytes on a connection of their own and returns the statuses that came back within a moment of silence.
    package static func exchange(_ bytes: [UInt8], port: Int, within limit: Duration = .seconds(5)) async throws -> (
        statuses: [Int], text: String, isAnswered: Bool
    ) {
        let connection = try await RawConnection(port: port)
        await connection.send(bytes)
        let isAnswered = try await connection.waitForAnswer(within: limit)
        if !connection.isEnded { try await Task.sleep(for: .milliseconds(50)) }
        let answer = (connection.statuses, connection.text, isAnswered)
        await connection.close()
        return answer
    }
}

private final class Flag: Sendable {
    private let state = Atomic<Bool>(false)

    var isSet: Bool { state.load(ordering: .relaxed) }
    func set() { state.store(true, ordering: .relaxed) }
}

private final class Received: Sendable {
    private let state = Mutex<(bytes: [UInt8], isEnded: Bool)>(([], false))

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var count: Int { state.withLock { $0.bytes.count } }
    var isEnded: Bool { state.withLock { $0.isEnded } }
    func append(_ buffer: ByteBuffer) { state.withLock { $0.bytes.append(contentsOf: buffer.readableBytesView) } }
    func end() { state.withLock { $0.isEnded = true } }
}

private final class ReceivingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let received: Received

    init(_ received: Received) {
        self.received = received
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { received.append(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { received.end() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { received.end() }
    }
}
