// One client connection: strict HTTP/1.1 in and out. `/mcp` is answered on the spot, everything else goes to the router.

import GateDomain
import GateSettings
import HTTPTypes
import HTTPWire
import NIOCore
import NIOHTTPTypes

/// The first handler of every connection; confined to its event loop. Its further facets are what a request takes of the memory
/// (`FrontHandler+Room`), clients that do not read (`FrontHandler+Reading`), and how a connection ends (`FrontHandler+End`).
///
/// Requests are handled one at a time: bytes of the next one wait, and reading stops while many are waiting. A client that does not read
/// its answers gets no more of them, and is not read from. Invariant: each request gets one answer, and after a fault of framing nothing
/// more is read from the connection.
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
    static let backlog = 16_384
    /// Connections of an event loop that are told at once that there is no room; those beyond are closed without a word.
    private static let mostTurnedAway = 200

    let front: FrontContext
    let handler: any ExchangeHandler
    let peer: IPAddress
    /// Whether it came to a loopback address, and not through a proxy that we trust.
    let isLocal: Bool
    let refusal: Doors.Refusal?
    var parser = HTTP1RequestParser()
    var occupant = Occupant.nobody
    var context: ChannelHandlerContext?
    /// Whether the client takes what is sent to it. Kept, as the pipeline says when it changes and each question of a channel costs.
    private(set) var isRead = false
    private var readIsWaiting = false
    var closesAfterAnswer = false
    private var isDriving = false
    /// The number of the request that is being answered, or was last.
    private(set) var served = 0
    /// When the connection last got on: the start of what its timeouts measure.
    var since = NIODeadline.now()
    /// The client sends nothing more.
    var peerHasEnded = false
    /// The last answer has left, and the client has been told that it was the last one.
    var isLingering = false
    /// What of `front.memory` the request under way takes.
    var room = RequestRoom()
    /// Bytes that a stream's client has sent all the same.
    private var idleTalk = 0
    /// Whether the client takes what waits to be sent.
    var stillness = Stillness()

    init(front: FrontContext, handler: any ExchangeHandler, peer: IPAddress, isLocal: Bool, refusal: Doors.Refusal?) {
        self.front = front
        self.handler = handler
        self.peer = peer
        self.isLocal = isLocal
        self.refusal = refusal
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isRead = context.channel.isWritable
        front.connections.insert(self)
        if refusal != nil { front.turnedAway += 1 }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if front.connections.remove(self) != nil, refusal != nil { front.turnedAway -= 1 }
        release()
        self.context = nil
        isRead = false
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        guard let refusal else { return }
        if front.turnedAway > Self.mostTurnedAway { return reset() }
        refuse(status: refusal.status, sentence: refusal.sentence, retryAfter: 1)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch occupant {
        case .closing: return
        case .stream: return dropIdleTalk(bytes.readableBytes)
        case .nobody: if parser.isIdle { since = .now() }
        case .arriving, .gate, .router: break
        }
        parser.append(bytes)
        drive()
        if parser.heldBytes > 0 || room.bytes > 0 { account() }
    }

    /// The router hears of the end of a read only while it has a request: of all others it has got nothing.
    func channelReadComplete(context: ChannelHandlerContext) {
        if case .router = occupant { context.fireChannelReadComplete() }
    }

    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { readIsWaiting = true }
    }

    /// Whoever is not being served, or does not read, is not read from.
    private var mayRead: Bool {
        switch occupant {
        case .closing, .stream: true
        case .gate, .router: parser.bufferedBytes <= Self.backlog && isRead
        case .nobody, .arriving: isRead
        }
    }

    func readOn() {
        guard readIsWaiting, mayRead else { return }
        readIsWaiting = false
        context?.read()
    }

    /// Nothing follows on a stream's connection.
    private func dropIdleTalk(_ bytes: Int) {
        idleTalk += bytes
        if idleTalk > Self.backlog { close() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stillness.since = .now()
        isRead = context.channel.isWritable
        if isRead {
            since = .now()
            if case .stream(let stream) = occupant { stream.drained() }
            drive()
            readOn()
        }
        context.fireChannelWritabilityChanged()
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
            case .part(let part): hand(part, context)
            case .whole(let body): begin(body: body)
            case .end: requestEnded(context)
            case .fault(let fault): refuse(fault)
            }
        }
    }

    private var takesInput: Bool {
        switch occupant {
        case .nobody: isRead
        case .arriving: true
        case .router(_, let received): !received
        case .gate, .stream, .closing: false
        }
    }

    private func begin(_ head: HTTP1RequestHead, _ context: ChannelHandlerContext) {
        served += 1
        since = .now()
        let most = front.settings.maxRequestsPerSocket
        closesAfterAnswer = closesAfterAnswer || !head.keepAlive || front.switches.isLeaving || (most > 0 && served >= most)
        if head.expectsContinue, head.announcedLength <= HTTP1Limits.request.body {
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
        if body.readableBytes > Self.backlog { count(body.readableBytes, of: head) } else { release() }
        // It may have been too much.
        guard case .arriving = occupant else { return }
        let exchange = MCPExchange(head: head, body: body, connection: self, held: room.handOver())
        occupant = .gate(exchange)
        handler.receive(exchange)
    }

    /// What comes of a body after its answer interests nobody.
    private func hand(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
        if case .router(let encoder, _) = occupant, encoder.isFinished { return }
        context.fireChannelRead(wrapInboundOut(.body(part)))
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

    /// Answers what is no acceptable request, and closes. An answer that has begun cannot become another one.
    func refuse(status: Int, sentence: String, retryAfter: Int? = nil) {
        if case .router(let encoder, _) = occupant, encoder.hasBegun { return encoder.isFinished ? close() : reset() }
        closesAfterAnswer = true
        front.meter.answered(.unparsed, status: status)
        write(RefusalPage.bytes(status: status, sentence: sentence, retryAfter: retryAfter, headers: front.headers))
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
        if !isRead { front.noteUnread(bytes.readableBytes) }
    }

    /// Writes a part of an answer that lies in several pieces of memory.
    func write(_ parts: [ByteBuffer]) {
        guard let context else { return }
        for part in parts { context.write(wrapOutboundOut(part), promise: nil) }
        context.flush()
        if !isRead { front.noteUnread(parts.reduce(0) { $0 + $1.readableBytes }) }
    }

    /// The current request has had its answer.
    func finished() {
        if case .closing = occupant { return }
        since = .now()
        release()
        if closesAfterAnswer { return close() }
        occupant = .nobody
        drive()
        readOn()
    }

    /// The current request has become a live stream.
    func became(_ stream: any HeldConnection) {
        release()
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
}

extension HTTP1RequestHead {
    /// Bytes of the body, where its length was announced.
    fileprivate var announcedLength: Int { if case .length(let length) = framing { length } else { 0 } }
}

extension FrontHandler: Hashable {
    static func == (left: FrontHandler, right: FrontHandler) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
