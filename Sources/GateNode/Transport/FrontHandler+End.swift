// How a connection ends: after its last answer, in time, or at once.

import GateSettings
import Glibc
import HTTPWire
import NIOCore

/// The connection has ended, or was ended, before the body of a request was whole.
struct BodyCutShort: Error {}

extension FrontHandler {
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

    func inputClosed() {
        peerHasEnded = true
        switch occupant {
        case .nobody, .arriving, .stream: close()
        // There a client gives up by closing the stream of the answer, and one that has closed its end cannot be told from one that has
        // closed both before something is written.
        case .gate(let exchange) where exchange.isStateless: close()
        case .gate(let exchange):
            closesAfterAnswer = true
            exchange.clientFallsSilent()
        case .router(let encoder, received: false) where !encoder.hasBegun:
            refuse(status: 400, sentence: "The request has ended before its body was whole")
        case .router(_, let received):
            closesAfterAnswer = true
            if !received { breakOff() }
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

    /// Whoever reads the body must not take what has come of it for the whole: the end of the connection alone would look like its end.
    private func breakOff() { context?.fireErrorCaught(BodyCutShort()) }

    func leave() {
        switch occupant {
        case .router(_, received: false): breakOff()
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
        if isLingering { return waited > Stillness.lingering }
        let still = min(waited, stillness.milliseconds(at: now))
        guard let end = front.switches.drainsUntil else { return still > Stillness.longest }
        return (now < end ? still : waited) > Stillness.longestOfDraining
    }
}
