// The few words that are exchanged with a private Redis outside of the node's connections: is it there, go away.

import Glibc
import NIOCore
import NIOPosix

/// Sends one inline command to a Unix socket and reads the first line of the answer.
struct RedisProbe {
    enum Answer: Equatable {
        /// Nobody listens on the socket.
        case refused
        /// Somebody has the socket, and closed the connection without a word or said nothing in time.
        case silent
        case line(String)

        var isReady: Bool { self == .line("+PONG") }
    }

    let socketPath: String
    let loop: any EventLoop
    var limit = TimeAmount.milliseconds(500)

    func ask(_ command: String, isolation: isolated (any Actor)? = #isolation) async -> Answer {
        let answer = loop.makePromise(of: Answer.self)
        let limit = loop.scheduleTask(in: limit) { answer.succeed(.silent) }
        let connection = ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FirstLine(promise: answer))
                }
            }
            .connect(unixDomainSocketPath: socketPath)
        do {
            let channel = try await connection.get()
            channel.writeAndFlush(ByteBuffer(string: command + "\r\n"), promise: nil)
            defer { channel.close(promise: nil) }
            let line = try await answer.futureResult.get()
            limit.cancel()
            return line
        } catch {
            limit.cancel()
            let refusal = (error as? IOError).map { [ENOENT, ECONNREFUSED].contains($0.errnoCode) } ?? false
            answer.succeed(refusal ? .refused : .silent)
            return refusal ? .refused : .silent
        }
    }
}

/// Succeeds its promise with the first line that arrives, or with silence when the connection ends before.
private final class FirstLine: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<RedisProbe.Answer>
    private var received = ""

    init(promise: EventLoopPromise<RedisProbe.Answer>) {
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += String(buffer: unwrapInboundIn(data))
        if let end = received.firstIndex(of: "\r\n") { promise.succeed(.line(String(received[..<end]))) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.succeed(.silent)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
