// One client connection: strict HTTP/1.1 in and out. `/mcp` is answered on the spot, everything else goes to the router.

import GateDomain
import GateSettings
import Glibc
import HTTPTypes
import HTTPWire
import NIOCore
import NIOHTTPTypes

/// The first handler of every connection; confined to its event loop.
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
    private static let backlog = 16_384
    /// Connections of an event loop that are told at once that there is no room; those beyond are closed without a word.
    private static let mostTurnedAway = 200
    /// Bytes that may wait for a client before what may be left out is left out.
    private static let mostAhead = 1 << 20

    let front: FrontContext
    private let handler: any ExchangeHandler
    let peer: IPAddress
    /// Whether it came to a loopback address, and not through a proxy that we trust.
    let isLocal: Bool
    private let refusal: Doors.Refusal?
    private var parser = HTTP1RequestParser()
    private var occupant = Occupant.nobody
    private var context: ChannelHandlerContext?
    /// Whether the client takes what is sent to it. Kept, as the pipeline says when it changes and each question of a channel costs.
    private(set) var isRead = false
    private var readIsWaiting = false
    private var closesAfterAnswer = false
    private var isDriving = false
    /// The number of the request that is being answered, or was last.
    private(set) var served = 0
    /// When the connection last got on: the start of what its timeouts measure.
    private var since = NIODeadline.now()
    /// The client sends nothing more.
    private var peerHasEnded = false
    /// The last answer has left, and the client has been told that it was the last one.
    private var isLingering = false
    /// Bytes of the request under way that `front.memory` counts, and as whose.
    private(set) var counted = 0
    private(set) var standing = MemoryAccount.Standing.unproven
    /// The secret of its key, where that is known.
    private var holder: ExactText?
    /// Bytes that a stream's client has sent all the same.
    private var idleTalk = 0
    /// Since when no byte was taken of what waits to be sent, and how much that was.
    private(set) var stillSince = NIODeadline.now()
    private var waitedBytes = 0

    /// How long a client may take to read its last answer, and how long it may go on sending after it; milliseconds.
    private static let lateReading: Int64 = 30_000
    private static let lateReadingOfDraining: Int64 = 5000
    private static let lingering: Int64 = 2000

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
        if parser.heldBytes > 0 || counted > 0 { account() }
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

    private func readOn() {
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
        stillSince = .now()
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
        let exchange = MCPExchange(head: head, body: body, connection: self, held: (counted, standing, holder))
        // From here on until its answer, whether its client stays or not.
        (counted, standing, holder) = (0, .unproven, nil)
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
    private func refuse(status: Int, sentence: String, retryAfter: Int? = nil) {
        if case .router(let encoder, _) = occupant, encoder.hasBegun { return encoder.isFinished ? close() : reset() }
        closesAfterAnswer = true
        front.meter.answered(.unparsed, status: status)
        write(RefusalPage.bytes(status: status, sentence: sentence, retryAfter: retryAfter, headers: front.headers))
        close()
    }

    // MARK: Room

    /// Counts what is held of a request that is not complete.
    private func account() {
        switch occupant {
        case .arriving(let head): count(parser.heldBytes, of: head)
        case .nobody, .router: count(parser.heldBytes, of: nil)
        case .gate, .stream, .closing: break
        }
    }

    private func count(_ bytes: Int, of head: HTTP1RequestHead?) {
        let holder = holder(of: head, bytes)
        if holder != self.holder { release() }
        (standing, self.holder) = (holder == nil ? .unproven : .proven, holder)
        front.memory.add(bytes - counted, standing, of: holder)
        counted = bytes
        if let holder, front.memory.isOverShare(holder), canGiveWay { return giveWay() }
        if front.memory.isOver(standing) { front.makeRoom(standing) }
    }

    private func holder(of head: HTTP1RequestHead?, _ bytes: Int) -> ExactText? {
        guard let head, bytes > Self.backlog else { return nil }
        let proof = MCPExchange.proof(of: head)
        guard let secret = proof.secret, !secret.isEmpty, handler.knows(secret) else { return nil }
        return ExactText(secret)
    }

    private func release() {
        front.memory.add(-counted, standing, of: holder)
        (counted, standing, holder) = (0, .unproven, nil)
    }

    /// Whether it can be refused still: its request has not been handed to anybody who works on it.
    var canGiveWay: Bool {
        switch occupant {
        case .nobody, .arriving: true
        case .router(let encoder, let received): !received && !encoder.hasBegun
        case .gate, .stream, .closing: false
        }
    }

    func giveWay() {
        release()
        refuse(status: 503, sentence: "Too many requests are arriving; try again.", retryAfter: 1)
    }

    /// Whether nobody would miss it.
    func isReclaimable(at now: NIODeadline) -> Bool {
        guard case .nobody = occupant, parser.isIdle, refusal == nil else { return false }
        return now - since > .seconds(1)
    }

    /// Gives its place to another connection, at once.
    func reclaim() {
        front.connections.remove(self)
        reset(isAbrupt: false)
    }

    // MARK: Answers that are not read

    /// Bytes that wait to be sent.
    var unreadBytes: Int {
        guard !isRead, let channel = context?.channel else { return 0 }
        return (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Whether the client reads so well that what may be left out need not be.
    var takesMore: Bool { isRead || unreadBytes < Self.mostAhead }

    /// Ends the connection so that no client takes what it has for a whole answer.
    /// - Parameter isAbrupt: with RST, which an answer that ends with its connection needs.
    func reset(isAbrupt: Bool = true) {
        leave()
        // From here on outward: a close that comes through the pipeline is the router's, and cuts nothing.
        guard let context else { return }
        guard isAbrupt, let socket = context.channel as? any SocketOptionProvider else { return context.close(promise: nil) }
        socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { [self] _ in
            self.context?.close(promise: nil)
        }
    }

    /// Ends the connection if the answer to a request has been written and not all of it has left.
    func cut(answer number: Int) { if !isTaken(answer: number) { reset(isAbrupt: false) } }

    /// Whether all of the answer to a request that was written has left.
    func isTaken(answer number: Int) -> Bool { served != number || unreadBytes == 0 }

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

    // MARK: The end

    private func inputClosed() {
        peerHasEnded = true
        switch occupant {
        case .nobody, .arriving, .stream: close()
        // There a client gives up by closing the stream of the answer, and one that has closed its end cannot be told from one that has
        // closed both before something is written.
        case .gate(let exchange) where exchange.isStateless: close()
        case .gate(let exchange):
            closesAfterAnswer = true
            exchange.clientFallsSilent()
        case .router: closesAfterAnswer = true
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
        case .stream(let stream):
            stream.farewell()
            close()
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
        parser.close()
        release()
    }

    /// Ends the connection when all that was written has left: what a late reader has not taken yet would be lost otherwise.
    /// - Parameter lingers: whether what the client may still be sending is read and dropped for a while, as bytes that nobody reads make
    ///   the kernel reset the connection, and with it the answer.
    func close(lingers: Bool = true) {
        if case .closing = occupant { return }
        leave()
        readOn()
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
        if isStill(at: now) { return }
        switch occupant {
        case .nobody where parser.isIdle: if overdue(settings.keepAliveTimeoutMs) { close(lingers: false) }
        case .nobody: if overdue(settings.headersTimeoutMs) { refuse(status: 408, sentence: "Request Timeout") }
        case .arriving: if overdue(settings.requestTimeoutMs) { refuse(status: 408, sentence: "Request Timeout") }
        case .router(let encoder, received: false):
            guard overdue(settings.requestTimeoutMs) else { break }
            if encoder.isFinished { close() } else { refuse(status: 408, sentence: "Request Timeout") }
        case .stream(let stream): stream.tick(at: now)
        case .closing: if isLate(waited, at: now) { context?.close(promise: nil) }
        case .gate(let exchange): exchange.tick(at: now)
        case .router: break
        }
    }

    /// Whether the client takes nothing of its last answer, or goes on sending after it. While the node stops it has less time for that, and
    /// however well it reads none after the drain time.
    private func isLate(_ waited: Int64, at now: NIODeadline) -> Bool {
        if isLingering { return waited > Self.lingering }
        let still = min(waited, (now - stillSince).nanoseconds / 1_000_000)
        guard let end = front.switches.drainsUntil else { return still > Self.lateReading }
        return (now < end ? still : waited) > Self.lateReadingOfDraining
    }

    /// Whether the client is not reading; it has so long for it until it is cut off.
    private func isStill(at now: NIODeadline) -> Bool {
        let waiting = unreadBytes
        if waiting < waitedBytes { stillSince = now }
        waitedBytes = waiting
        if case .closing = occupant { return false }
        guard waiting > 0 else { return false }
        if (now - stillSince).nanoseconds / 1_000_000 > Self.lateReading { reset() }
        return true
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
