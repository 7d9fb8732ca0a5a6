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
    /// Bytes of all requests before the present one.
    private var writtenBefore = 0
    private var written = 0
    private var isUnsent = false
    /// The server has closed, and its machine had got nothing of the request by then.
    private var isUntaken = false
    private var isGone = false
    private var idleSince = NIODeadline.uptimeNanoseconds(0)
    private var idleLimit: TimeAmount
    /// Whether its answer was known, and still not over, when it was looked at last.
    private var isTrailing = false

    init(_ pool: HTTPUpstreamPool) {
        self.pool = pool
        idleLimit = min(pool.settings.idleLimit, pool.settings.unannouncedIdleLimit)
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
        writtenBefore = written
        written += request.readableBytes
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

    /// Whether the server's end was sent before its machine had got a byte of the present request: a server closes an unused connection
    /// just while we write to it. Its end acknowledges all that it had got, so what is not acknowledged was never there to be read. A
    /// connection that was reset tells nothing of the kind.
    private func hasEndedUntaken(_ channel: any Channel) -> Bool {
        guard exchange != nil, !isUnsent, !parser.hasBegun, answers > 0, let acknowledged = TCPInfo.bytesAcknowledged(of: channel) else {
            return false
        }
        // All earlier requests were answered; the kernel may count the opening of the connection as one byte.
        return acknowledged == writtenBefore || acknowledged == writtenBefore + 1
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
                release(isOwn: exchange.take(head, body))
                exchange.ended()
            case .head(let head):
                note(head)
                exchange.begin(head)
            case .part(let part): if !exchange.take(part) { return close() }
            case .end:
                release(isOwn: exchange.isOwn())
                exchange.ended()
            case .fault(let fault):
                self.exchange = nil
                close()
                exchange.broke(.fault(fault))
            }
        }
    }

    /// The answer is over, so another request may follow before its receiver is told. Not after an answer to something else: what the
    /// server says next here may be somebody else's too.
    private func release(isOwn: Bool) {
        exchange = nil
        idleSince = .now()
        if isOwn, parser.isReusable { pool.offer(self) } else { pool.discard(self) }
    }

    private func note(_ head: HTTP1ResponseHead) {
        answers += 1
        guard answers == 1 else { return }
        for value in head.fields.strings(named: "keep-alive") {
            guard let start = value.firstRange(of: "timeout=")?.upperBound,
                let seconds = Int64(value[start...].prefix { $0.isNumber })
            else { continue }
            // One second less than the server's, so that it is not met while it closes.
            idleLimit = min(pool.settings.idleLimit, .seconds(max(0, min(seconds, 3_600) - 1)))
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
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isUntaken = hasEndedUntaken(context.channel)
            return context.close(promise: nil)
        }
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
        case .end:
            _ = exchange.isOwn()
            exchange.ended()
        case .fault(let fault) where hasBegun: exchange.broke(.fault(fault))
        default: exchange.broke(.silent(onReusedConnection: answers > 0, isUntaken: isUntaken))
        }
    }
}

/// What the kernel knows of a TCP connection.
private enum TCPInfo {
    /// The head of Linux's struct tcp_info, up to `tcpi_bytes_acked`; glibc's own is older and shorter.
    private typealias Words = (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    )

    /// Bytes that the other machine has said to have got; nil if that cannot be known.
    static func bytesAcknowledged(of channel: any Channel) -> Int? {
        #if os(Linux)
        guard let socket = channel as? any SocketOptionProvider else { return nil }
        // On its own loop the answer is there at once.
        let reading: EventLoopFuture<Words> = socket.unsafeGetSocketOption(level: .tcp, name: .init(rawValue: TCP_INFO))
        var words: Words?
        reading.assumeIsolated().whenSuccess { words = $0 }
        return words.map { Int(clamping: $0.15) }
        #else
        return nil
        #endif
    }
}
