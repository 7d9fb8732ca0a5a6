// POST, GET and DELETE /mcp up to the point where it is known what is asked: bytes to an envelope in its session.

import ClusterState
import GateDomain
import GateSettings
import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

/// The order before the gate (F-GATE-03): method, node state, content type, parse, envelope, session, then dispatch.
enum MCPEndpoint {
    static func receive(_ exchange: MCPExchange, on loop: LoopContext) {
        let switches = loop.parts.switches
        if switches.isDraining { return exchange.refuse(503, "Server is shutting down", retryAfter: 1) }
        if switches.isInMaintenance { return exchange.refuse(503, switches.maintenance?.message ?? "Server is under maintenance") }
        guard OriginRule.permits(exchange) else { return exchange.refuse(403, "Origin not allowed") }
        guard OriginRule.permitsHost(of: exchange) else {
            return exchange.refuse(403, "Host not allowed on a loopback address. A proxy in front belongs into --trusted-proxies.")
        }
        switch exchange.head.method {
        case .post: post(exchange, on: loop)
        case .get, .delete:
            guard !exchange.head.fields.contradictsBody else { return exchange.refuse(400, StatelessEra.repetition) }
            if StatelessEra.isNamed(by: exchange.head) {
                return exchange.refuseMethod("Method not allowed. This revision of MCP knows POST alone.", allowing: "POST, OPTIONS")
            }
            if let version = unsupportedVersion(of: exchange) { return exchange.failForVersion(version) }
            if exchange.head.method == .get { stream(exchange, on: loop) } else { end(exchange, on: loop) }
        default: exchange.refuseMethod("Method not allowed. Use POST, GET or DELETE.")
        }
    }

    private static func post(_ exchange: MCPExchange, on loop: LoopContext) {
        guard exchange.head.fields.contentType == .json else {
            return exchange.refuse(415, "Unsupported Media Type. Use Content-Type: application/json")
        }
        guard hasPlainBody(exchange.head.fields) else {
            return exchange.refuse(415, "Unsupported Media Type. Send the body without a Content-Encoding")
        }
        if exchange.body.beginsArray { return MessageArray.receive(exchange, on: loop) }
        switch exchange.body.scanEnvelope() {
        case .success(let envelope): exchange.envelope = envelope
        case .failure(let fault): return exchange.fail(status: 400, code: fault.code, fault.sentence)
        }
        // Of two copies each side could read another one.
        guard !exchange.head.fields.contradictsBody else {
            return exchange.fail(status: 400, code: StatelessEra.mismatch, StatelessEra.repetition)
        }
        if StatelessEra.claims(exchange) { return StatelessEndpoint.receive(exchange, on: loop) }
        if let version = unsupportedVersion(of: exchange) { return exchange.failForVersion(version) }
        enter(exchange, on: loop) { dispatch(exchange, on: loop) }
    }

    /// The revision that a head names, if it is none that is served (MCP Transports, Protocol Version Header).
    private static func unsupportedVersion(of exchange: MCPExchange) -> String? {
        guard let version = exchange.head.fields.string(of: .mcpProtocolVersion), ProtocolRevision.supported(named: version) == nil else {
            return nil
        }
        return version
    }

    /// Whether the body is what it looks like, and no compressed form of it.
    private static func hasPlainBody(_ fields: HTTP1Fields) -> Bool {
        guard fields.contains(.contentEncoding) else { return true }
        return fields.strings(named: "content-encoding").allSatisfy { $0.isEmpty || $0.lowercased() == "identity" }
    }

    /// Refuses a request that has the name of a notification: no revision knows such a one, and a server that acts by the name alone would
    /// do what only the gate may tell it, as to give up a request of somebody else by its number.
    static func refusesNotification(_ exchange: MCPExchange) -> Bool {
        guard namesNotification(exchange) else { return false }
        exchange.fail(code: -32601, "Method not found: that is a notification, which has no id")
        return true
    }

    private static func namesNotification(_ exchange: MCPExchange) -> Bool {
        switch exchange.envelope.method {
        case .initialized, .notificationsCancelled, .notificationsProgress: true
        case .other: exchange.method.utf8.starts(with: "notifications/".utf8)
        default: false
        }
    }

    /// Gives the exchange its session, the presented one or a new one, and goes on; or answers it.
    static func enter(_ exchange: MCPExchange, asStream: Bool = false, on loop: LoopContext, then next: @escaping () -> Void) {
        let isHandshake = exchange.envelope.method == .initialize
        let id = isHandshake ? nil : exchange.head.fields.string(of: .mcpSessionID)
        loop.sessions.enter(id, opens: isHandshake || asStream, from: { exchange.address }) { entry in
            switch entry {
            case .entered(let session):
                guard session.isRead || !asStream && !loop.parts.settings.isolation.isolates(session.capabilities) else {
                    return exchange.failForStore()
                }
                // What a session's streams hear is its owner's alone.
                guard !asStream || loop.sessions.isOwn(session, exchange.credential) else {
                    return exchange.fail(status: 404, code: -32001, "Session not found")
                }
                // A session acts with the key that opened it: with another one it does not exist.
                guard exchange.credential == nil || loop.sessions.isOwn(session, exchange.credential) else {
                    return exchange.fail(status: 404, code: -32001, "Session not found")
                }
                exchange.session = session
                next()
            case .unknown: exchange.fail(status: 404, code: -32001, "Session not found")
            case .crowded(let wait):
                exchange.refuse(429, "Too many new sessions. Send the Mcp-Session-Id of an earlier answer.", retryAfter: wait)
            }
        }
    }

    private static func stream(_ exchange: MCPExchange, on loop: LoopContext) {
        guard exchange.head.fields.contains(.accept), exchange.head.fields.accepts(.eventStream) else {
            return exchange.refuseMethod("Method not allowed. GET needs Accept: text/event-stream")
        }
        guard exchange.head.version == .http11 else { return exchange.refuse(505, "A stream needs HTTP/1.1") }
        enter(exchange, asStream: true, on: loop) {
            guard let session = exchange.session else { return }
            if loop.calls.resume(exchange, in: session) { return }
            let credential = session.isOwned ? exchange.credential : nil
            loop.streams.open(exchange, in: session, ticket: loop.nextID(), at: loop.now) { [authenticator = loop.authenticator] in
                authenticator.mayListen(credential, $0)
            }
        }
    }

    static func dispatch(_ exchange: MCPExchange, on loop: LoopContext) {
        switch exchange.envelope.kind {
        case .response:
            loop.questions.take(exchange)
            exchange.acknowledge()
        case .notification:
            // A server that acts by the name alone would do for nothing what a request is judged and charged for.
            guard namesNotification(exchange) else {
                return exchange.fail(status: 400, code: -32600, "Only notifications/… may come without an id; nothing was done")
            }
            switch exchange.envelope.method {
            case .notificationsCancelled: cancel(exchange, on: loop)
            case .initialized: break
            default: tell(exchange, on: loop)
            }
            exchange.acknowledge()
        case .request:
            if refusesNotification(exchange) { return }
            switch exchange.envelope.method {
            case .initialize: Handshake.answer(exchange, on: loop)
            case .ping: exchange.succeed(Array("{}".utf8))
            case .toolsCall where loop.discoversDynamically && MetaTool.take(exchange, on: loop): break
            case .toolsCall, .toolsCallBatch: CallFlow.begin(exchange, on: loop)
            case .toolsList where loop.discoversDynamically: exchange.succeed(MetaTool.listing)
            case .toolsList: ProxiedRequest(exchange, .toolList, on: loop).begin()
            default: ProxiedRequest(exchange, .asItIs, on: loop).begin()
            }
        }
    }

    /// Passes a notification on to what servers keep for this client alone; shared servers know nothing of single clients.
    private static func tell(_ exchange: MCPExchange, on loop: LoopContext) {
        guard let session = exchange.session, loop.parts.settings.isolation.isolates(session.capabilities),
            let credential = exchange.credential
        else { return }
        loop.identify(credential, fresh: false) { lookup, _ in
            guard case .found(let key) = lookup, key.record.state == .active, !key.record.isExpired(at: loop.now),
                let client = loop.client(of: exchange, key: key.id)
            else { return }
            for upstream in loop.parts.upstreams.all { upstream.notify(exchange.body, of: client) }
        }
    }

    /// Gives up the request that a client names, on whichever node it is under way (MCP Cancellation).
    private static func cancel(_ exchange: MCPExchange, on loop: LoopContext) {
        guard let session = exchange.session, session.isPresented, let id = exchange.envelope.requestIdToCancel,
            id.count <= CancelKey.longestID
        else { return }
        let token = exchange.body.token(id)
        guard let credential = exchange.credential else { return cancel(CancelKey(session: session.id, caller: "", id: token), on: loop) }
        loop.identify(credential, fresh: false) { lookup, _ in
            guard case .found(let key) = lookup else { return }
            cancel(CancelKey(session: session.id, caller: key.id, id: token), on: loop)
        }
    }

    private static func cancel(_ key: CancelKey?, on loop: LoopContext) {
        guard let key else { return }
        loop.siblings?.forEach { $0.cancel(key) }
        // Nobody without a key makes the gate write: what a stranger has asked for in shadow mode is given up here alone.
        guard !key.caller.isEmpty else { return }
        loop.link.send(FeedMessage.ephemeral(.cancel, key.word, keys: loop.parts.store.keys, origin: loop.parts.id)) { _ in }
    }

    private static func end(_ exchange: MCPExchange, on loop: LoopContext) {
        guard let id = exchange.head.fields.string(of: .mcpSessionID) else { return exchange.refuse(400, "Missing Mcp-Session-Id header") }
        loop.sessions.end(id, credential: exchange.credential, from: { exchange.address }) { end in
            switch end {
            case .unknown: exchange.refuse(404, "Session not found")
            case .unavailable: exchange.refuse(503, "The store is unavailable; the session may not have ended. Try again.", retryAfter: 1)
            case .ended:
                // The other nodes hear of it by the feed.
                for upstream in loop.parts.upstreams.all { upstream.end(session: id) }
                noteEnd(of: id, exchange, on: loop)
                exchange.answer(Array(#"{"message":"Session terminated"}"#.utf8))
            }
        }
    }
}

extension LoopContext: ExchangeHandler {
    func receive(_ exchange: MCPExchange) { MCPEndpoint.receive(exchange, on: self) }

    func owner(of secret: String) -> String? { authenticator.owner(of: secret) }
}

extension MCPEndpoint {
    private static func noteEnd(of session: String, _ exchange: MCPExchange, on loop: LoopContext) {
        guard let credential = exchange.credential else { return }
        let requestID = exchange.requestID
        loop.identify(credential, fresh: false) { lookup, _ in
            guard case .found(let key) = lookup else { return }
            loop.note(.destroyed, session, of: key.record, requestID)
        }
    }
}

extension ByteBuffer {
    func scanEnvelope() -> Result<Envelope, EnvelopeFault> {
        withUnsafeReadableBytes { bytes in Result { () throws(EnvelopeFault) in try Envelope.scan(bytes) } }
    }

    /// Whether it is an array, if it is JSON at all.
    var beginsArray: Bool { withUnsafeReadableBytes { JSONScanner($0).next == UInt8(ascii: "[") } }
}
