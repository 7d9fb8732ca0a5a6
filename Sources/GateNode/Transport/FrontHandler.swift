// One client connection: strict HTTP/1.1 in and out. `/mcp` is answered on the spot, everything else goes to the router.

import GateDomain
import GateSettings
import HTTPTypes
import HTTPWire
import NIOCore
import NIOHTTPTypes

/// The first handler of every connection; confined to its event loop.
///
/// Requests are handled one at a time: bytes of the next one wait, and reading stops while many are waiting. Invariant: each request
/// gets one answer, and after a fault of framing nothing more is read from the connection.
final class FrontHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = ByteBuffer

    /// Who has the current request.
    enum Occupant {
        case nobody
        /// The head has been read and the body of a request to `/mcp` is arriving.
        case arriving(HTTP1RequestHead)
        case gate(MCPExchange)
        case stream(any HeldConnection)
        case router(HTTP1ResponseEncoder, received: Bool)
        case closing
    }

    /// The largest body that any endpoint takes; each of them has its own limit within it.
    private static let largestBody = 64 << 20
    /// Bytes that may wait behind the request that is being answered.
    private static let backlog = 65_536

    let front: FrontContext
    private let handler: any ExchangeHandler
    let peer: IPAddress
    private var parser = HTTP1RequestParser()
    private var occupant = Occupant.nobody
    private var context: ChannelHandlerContext?
    private var readIsWaiting = false
    private var closesAfterAnswer = false
    private var isDriving = false
    private var served = 0
    /// When the connection last got on: the start of what its timeouts measure.
    private var since = NIODeadline.now()
    /// The client sends nothing more.
    private var peerHasEnded = false
    /// The last answer has left, and the client has been told that it was the last one.
    private var isLingering = false

    /// How long a client may take to read its last answer, and how long it may go on sending after it; milliseconds.
    private static let lateReading: Int64 = 30_000
    private static let lateReadingOfDraining: Int64 = 5000
    private static let lingering: Int64 = 2000

    init(front: FrontContext, handler: any ExchangeHandler, peer: IPAddress) {
        self.front = front
        self.handler = handler
        self.peer = peer
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        front.connections.insert(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        front.connections.remove(self)
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .closing = occupant { return }
        if case .nobody = occupant, parser.isIdle { since = .now() }
        parser.append(unwrapInboundIn(data))
        drive()
    }

    func read(context: ChannelHandlerContext) {
        if case .gate = occupant, parser.bufferedBytes > Self.backlog {
            readIsWaiting = true
        } else {
            context.read()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: inputClosed()
        case is ChannelShouldQuiesceEvent: quiesce()
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Requests

    /// Reads on as long as whoever has the current request can take it.
    private func drive() {
        guard !isDriving, let context else { return }
        isDriving = true
        defer { isDriving = false }
        while takesInput {
            switch parser.next() {
            case .needMore: return
            case .head(let head): begin(head, context)
            case .part(let part): context.fireChannelRead(wrapInboundOut(.body(part)))
            case .whole(let body): begin(body: body)
            case .end: requestEnded(context)
            case .fault(let fault): refuse(fault)
            }
        }
    }

    private var takesInput: Bool {
        switch occupant {
        case .nobody, .arriving: true
        case .router(_, let received): !received
        case .gate, .stream, .closing: false
        }
    }

    private func begin(_ head: HTTP1RequestHead, _ context: ChannelHandlerContext) {
        served += 1
        since = .now()
        let most = front.settings.maxRequestsPerSocket
        closesAfterAnswer = closesAfterAnswer || !head.keepAlive || front.switches.isLeaving || (most > 0 && served >= most)
        if head.expectsContinue {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
        if head.hasPath("/mcp"), head.method != .options {
            parser.bodyMode = .whole(limit: HTTP1Limits.request.body)
            occupant = .arriving(head)
        } else {
            if case .length(let length) = head.framing, length > Self.largestBody { return refuse(.bodyTooLarge) }
            parser.bodyMode = .parts(limit: Self.largestBody)
            occupant = .router(HTTP1ResponseEncoder(answering: head), received: false)
            context.fireChannelRead(wrapInboundOut(.head(head.httpRequest)))
        }
    }

    private func begin(body: ByteBuffer) {
        guard case .arriving(let head) = occupant else { return }
        let exchange = MCPExchange(head: head, body: body, connection: self)
        occupant = .gate(exchange)
        handler.receive(exchange)
    }

    private func requestEnded(_ context: ChannelHandlerContext) {
        guard case .router(let encoder, _) = occupant else { return }
        occupant = .router(encoder, received: true)
        context.fireChannelRead(wrapInboundOut(.end(nil)))
        context.fireChannelReadComplete()
        if encoder.isFinished { finished() }
    }

    private func refuse(_ fault: HTTP1Fault) {
        refuse(status: fault.status, sentence: "\(fault.sentence)")
    }

    /// Answers what is no acceptable request, and closes.
    private func refuse(status: Int, sentence: String) {
        if case .router = occupant { return close() }
        closesAfterAnswer = true
        front.meter.answered(.unparsed, status: status)
        write(RefusalPage.bytes(status: status, sentence: sentence, headers: front.headers))
        close()
    }

    // MARK: Answers of the gate

    /// Writes the whole answer to the current request.
    func finish(_ answer: ByteBuffer) {
        write(answer)
        finished()
    }

    /// Writes a part of an answer.
    func write(_ bytes: ByteBuffer) {
        context?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    /// The current request has had its answer.
    func finished() {
        since = .now()
        if closesAfterAnswer { return close() }
        occupant = .nobody
        if readIsWaiting {
            readIsWaiting = false
            context?.read()
        }
        drive()
    }

    /// The current request has become a live stream.
    func became(_ stream: any HeldConnection) {
        occupant = .stream(stream)
    }

    var willClose: Bool { closesAfterAnswer }

    // MARK: Answers of the router

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .router(var encoder, let received) = occupant else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: 1024)
        encoder.encode(unwrapOutboundIn(data), into: &buffer)
        context.write(wrapOutboundOut(buffer), promise: promise)
        occupant = .router(encoder, received: received)
        guard encoder.isFinished else { return }
        closesAfterAnswer = closesAfterAnswer || encoder.closesAfterwards
        context.flush()
        // An answer may come before the whole body: the rest of it is read, so that the connection stays what was announced.
        if received || closesAfterAnswer { finished() }
    }

    // MARK: The end

    private func inputClosed() {
        peerHasEnded = true
        switch occupant {
        case .nobody, .arriving, .stream: close()
        case .gate, .router: closesAfterAnswer = true
        case .closing: if isLingering { context?.close(promise: nil) }
        }
    }

    /// The router's side has no more to do here. That cuts no answer: neither one that is still being made nor one that is still being read.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .input { return context.close(mode: mode, promise: promise) }
        if let promise { context.channel.closeFuture.cascade(to: promise) }
        switch occupant {
        case .gate, .arriving: closesAfterAnswer = true
        // What the router has left half said must not look whole.
        case .router(let encoder, _) where !encoder.isFinished: context.close(promise: nil)
        case .router, .nobody, .stream: close()
        case .closing: break
        }
    }

    /// Takes no further requests; what is under way is finished.
    func quiesce() {
        closesAfterAnswer = true
        switch occupant {
        case .nobody where parser.isIdle: close(lingers: false)
        case .stream: close()
        default: break
        }
    }

    private func leave() {
        switch occupant {
        case .gate(let exchange): exchange.clientLeft()
        case .stream(let stream): stream.ended()
        default: break
        }
        occupant = .closing
    }

    /// Ends the connection when all that was written has left: what a late reader has not taken yet would be lost otherwise.
    /// - Parameter lingers: whether what the client may still be sending is read and dropped for a while, as bytes that nobody reads make
    ///   the kernel reset the connection, and with it the answer.
    func close(lingers: Bool = true) {
        if case .closing = occupant { return }
        leave()
        since = .now()
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { [self] _ in
            since = .now()
            isLingering = lingers && !peerHasEnded && !front.switches.isLeaving
            self.context?.close(mode: isLingering ? .output : .all, promise: nil)
        }
    }

    /// Called every second: ends what is too slow (F-SEC-16).
    func checkTime(at now: NIODeadline) {
        let settings = front.settings
        let waited = (now - since).nanoseconds / 1_000_000
        let overdue = { (limit: Int) in limit > 0 && waited > Int64(limit) }
        switch occupant {
        case .nobody where parser.isIdle: if overdue(settings.keepAliveTimeoutMs) { close(lingers: false) }
        case .nobody: if overdue(settings.headersTimeoutMs) { refuse(status: 408, sentence: "Request Timeout") }
        case .arriving: if overdue(settings.requestTimeoutMs) { refuse(status: 408, sentence: "Request Timeout") }
        case .router(let encoder, received: false):
            guard overdue(settings.requestTimeoutMs) else { break }
            if encoder.isFinished { close() } else { refuse(status: 408, sentence: "Request Timeout") }
        case .stream(let stream): stream.tick(at: now)
        case .closing:
            let late = front.switches.isDraining ? Self.lateReadingOfDraining : Self.lateReading
            if waited > (isLingering ? Self.lingering : late) { context?.close(promise: nil) }
        case .gate, .router: break
        }
    }
}

extension FrontHandler: Hashable {
    static func == (left: FrontHandler, right: FrontHandler) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
