// POST, GET and DELETE /mcp up to the point where it is known what is asked: bytes to an envelope in its session.

import ClusterState
import GateDomain
import HTTPWire
import MCPWire
import NIOCore

/// The order before the gate (F-GATE-03): method, node state, content type, parse, envelope, session, then dispatch.
enum MCPEndpoint {
    static func receive(_ exchange: MCPExchange) {
        let switches = exchange.lane.node.switches
        if switches.isDraining { return exchange.refuse(503, "Server is shutting down", retryAfter: 1) }
        if switches.isInMaintenance { return exchange.refuse(503, switches.maintenance?.message ?? "Server is under maintenance") }
        guard OriginRule.permits(exchange) else { return exchange.refuse(403, "Origin not allowed") }
        guard OriginRule.permitsHost(of: exchange) else {
            return exchange.refuse(403, "Host not allowed on a loopback address. A proxy in front belongs into --trusted-proxies.")
        }
        switch exchange.head.method {
        case .post: post(exchange)
        case .get: LiveStream.open(exchange)
        case .delete: end(exchange)
        default: exchange.refuseMethod("Method not allowed. Use POST, GET or DELETE.")
        }
    }

    private static func post(_ exchange: MCPExchange) {
        guard exchange.head.fields.contentType == .json else {
            return exchange.refuse(415, "Unsupported Media Type. Use Content-Type: application/json")
        }
        switch exchange.body.scanEnvelope() {
        case .success(let envelope): exchange.envelope = envelope
        case .failure(let fault): return exchange.fail(status: 400, code: fault.code, fault.sentence)
        }
        if let version = exchange.head.fields.string(of: .mcpProtocolVersion).map({ $0.cut(toBytes: ClientText.revision) }),
            ProtocolRevision.served(named: version) == nil
        {
            return exchange.fail(
                status: 400, code: -32022, "Unsupported protocol version",
                data: ["supported": .array(ProtocolRevision.served.map { .string($0.rawValue) }), "requested": .string(version)])
        }
        exchange.lane.sessions.enter(exchange) { dispatch(exchange) }
    }

    private static func dispatch(_ exchange: MCPExchange) {
        let envelope = exchange.envelope
        switch envelope.kind {
        case .response: exchange.acknowledge()
        case .notification:
            if envelope.method == .notificationsCancelled { cancel(exchange) }
            exchange.acknowledge()
        case .request:
            switch envelope.method {
            case .initialize: Handshake.answer(exchange)
            case .ping: exchange.succeed(Array("{}".utf8))
            case .toolsCall, .toolsCallBatch: CallFlow.begin(exchange)
            case .toolsList: ProxiedRequest(exchange, .toolList).begin()
            default: ProxiedRequest(exchange, .asItIs).begin()
            }
        }
    }

    /// Gives up the request that a client names, on whichever node it is under way (MCP Cancellation).
    private static func cancel(_ exchange: MCPExchange) {
        guard let session = exchange.session, session.isPresented, let id = exchange.envelope.requestIdToCancel,
            id.count <= CancelKey.longestID
        else { return }
        let (lane, token) = (exchange.lane, exchange.body.token(id))
        guard let credential = exchange.credential else { return cancel(CancelKey(session: session.id, caller: "", id: token), in: lane) }
        lane.identify(credential, fresh: false) { lookup, _ in
            guard case .found(let key) = lookup else { return }
            cancel(CancelKey(session: session.id, caller: key.record.id, id: token), in: lane)
        }
    }

    private static func cancel(_ key: CancelKey?, in lane: Lane) {
        guard let key else { return }
        lane.siblings?.forEach { $0.cancel(key) }
        // Nobody without a key makes the gate write: what a stranger has asked for in shadow mode is given up here alone.
        guard !key.caller.isEmpty else { return }
        lane.link.send(FeedMessage.passing(.cancel, key.word, keys: lane.node.store.keys, origin: lane.node.id)) { _ in }
    }

    private static func end(_ exchange: MCPExchange) {
        guard let id = exchange.head.fields.string(of: .mcpSessionID) else { return exchange.refuse(400, "Missing Mcp-Session-Id header") }
        exchange.lane.sessions.end(id, exchange) { ended in
            guard ended else { return exchange.refuse(404, "Session not found") }
            exchange.answer(Array(#"{"message":"Session terminated"}"#.utf8))
        }
    }
}

extension ByteBuffer {
    func scanEnvelope() -> Result<Envelope, EnvelopeFault> {
        withUnsafeReadableBytes { bytes in Result { () throws(EnvelopeFault) in try Envelope.scan(bytes) } }
    }

    /// The bytes of a range that a scan has named.
    func token(_ range: Range<Int>) -> [UInt8] {
        withUnsafeReadableBytes { Array($0[range]) }
    }

    func text(_ range: Range<Int>) -> String {
        withUnsafeReadableBytes { String(decoding: $0[range], as: UTF8.self) }
    }
}
