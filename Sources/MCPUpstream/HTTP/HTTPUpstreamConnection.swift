// One connection to an HTTP server: at most one request at a time, written in one piece, its answer read strictly.

import Glibc
import HTTPWire
import NIOCore
import NIOTLS

/// The last handler of a channel. It is confined to its event loop and tells its pool when it is ready, free and gone.
final class HTTPUpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A connection that has been unused for so long may have been closed unnoticed, while this loop was busy.
    private static let trustedRest = TimeAmount.milliseconds(5)

    private let pool: HTTPUpstreamPool
    private var context: ChannelHandlerContext?
    private var parser: HTTP1ResponseParser
    private(set) var exchange: HTTPExchange?
    /// What waits for TLS to be ready, and what then happens.
    private var onReady: ((any Error)?) -> Void = { _ in }
    private var patience: Scheduled<Void>?
    private var fault: (any Error)?
    private var answers = 0
    private var isUnsent = false
    private var isGone = false
    private var idleSince = NIODeadline.uptimeNanoseconds(0)
    private var idleLimit: TimeAmount
    /// Whether its answer was known, and still not over, when it was looked at last.
    private var isTrailing = false

    init(_ pool: HTTPUpstreamPool) {
        self.pool = pool
        idleLimit = pool.settings.idleLimit
        var limits = HTTP1Limits.response
        limits.body = pool.settings.responseLimit
        parser = HTTP1ResponseParser(limits: limits)
    }

    var closeFuture: EventLoopFuture<Void>? { context?.channel.closeFuture }

    // MARK: Requests

    /// Sends a request; the connection must be new, or free and fit.
    func start(_ exchange: HTTPExchange, _ request: ByteBuffer) {
        self.exchange = exchange
        isTrailing = false
        isUnsent = true
        guard let context, parser.begin() else { return close() }
        // A channel that cannot be written to closes within this call.
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
        guard context.channel.isActive else { return close() }
        isUnsent = false
    }

    /// Whether the server will, as far as can be seen, take another request.
    func isFit(at now: NIODeadline) -> Bool {
        guard let context, context.channel.isActive, parser.isReusable, now - idleSince < idleLimit else { return false }
        // A server that closes without a word does so after its first answer, or after a while.
        guard answers == 1 || now - idleSince > Self.trustedRest else { return true }
        return !hasBeenClosedByServer(context.channel)
    }

    /// Whether the connection has to go: unused for too long, or an answer that is over but for its end.
    func isOverdue(at now: NIODeadline) -> Bool {
        guard let exchange else { return now - idleSince >= idleLimit }
        defer { isTrailing = exchange.isFinished }
        return isTrailing && exchange.isFinished
    }

    /// Asks the kernel: the server's end may have come after this loop last looked.
    private func hasBeenClosedByServer(_ channel: any Channel) -> Bool {
        #if os(Linux)
        // The first byte of struct tcp_info is the state of the connection.
        let option = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_INFO))
        guard let info = try? channel.syncOptions?.getOption(option) else { return true }
        return UInt8(truncatingIfNeeded: info.littleEndian) != TCP_ESTABLISHED
        #else
        return false
        #endif
    }

    func close() {
        guard let context, !isGone else { return lost() }
        context.close(promise: nil)
    }

    // MARK: Answers

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        parser.append(unwrapInboundIn(data))
        // Nobody asked: whatever it is, the next answer could be mistaken.
        guard exchange != nil else { return close() }
        advance()
    }

    private func advance() {
        while let exchange {
            switch parser.next() {
            case .needMore: return
            case .whole(let head, let body):
                note(head)
                release()
                exchange.answered(head, body)
            case .head(let head):
                note(head)
                exchange.begin(head)
            case .part(let part): if !exchange.take(part) { return close() }
            case .end:
                release()
                exchange.ended()
            case .fault(let fault):
                self.exchange = nil
                close()
                exchange.broke(.fault(fault))
            }
        }
    }

    /// The answer is over, so another request may follow before its receiver is told.
    private func release() {
        exchange = nil
        idleSince = .now()
        if parser.isReusable { pool.offer(self) } else { pool.discard(self) }
    }

    private func note(_ head: HTTP1ResponseHead) {
        answers += 1
        guard answers == 1 else { return }
        for value in head.fields.strings(named: "keep-alive") {
            guard let start = value.firstRange(of: "timeout=")?.upperBound,
                let seconds = Int64(value[start...].prefix { $0.isNumber })
            else { continue }
            // One second less than the server's, so that it is not met while it closes.
            idleLimit = min(idleLimit, .seconds(max(0, min(seconds, 3_600) - 1)))
        }
    }

    // MARK: Life

    /// Calls back when requests may be written: at once, or when TLS is ready, or with the error that prevents it.
    func whenReady(usesTLS: Bool, within limit: TimeAmount, _ body: @escaping ((any Error)?) -> Void) {
        idleSince = .now()
        guard usesTLS else { return body(nil) }
        onReady = body
        patience = pool.loop.assumeIsolated().scheduleTask(in: limit) { [self] in
            fault = ChannelError.connectTimeout(limit)
            close()
        }
    }

    private func becomeReady(_ error: (any Error)?) {
        patience?.cancel()
        patience = nil
        let body = onReady
        onReady = { _ in }
        body(error)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { becomeReady(nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if fault == nil { fault = error }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isGone = true
        becomeReady(fault ?? ChannelError.eof)
        lost()
    }

    private func lost() {
        pool.forget(self)
        guard let exchange = exchange.take() else { return }
        if isUnsent { return exchange.broke(.unsent) }
        let hasBegun = parser.hasBegun
        switch parser.finish() {
        case .end: exchange.ended()
        case .fault(let fault) where hasBegun: exchange.broke(.fault(fault))
        default: exchange.broke(.silent(onReusedConnection: answers > 0))
        }
    }
}
