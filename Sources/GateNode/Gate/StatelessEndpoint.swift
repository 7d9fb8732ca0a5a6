// A message of the revision 2026-07-28 up to the point where it is known what is asked; and what the gate answers itself in that era.

import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// What a client of the stateless era sends needs no session and leaves none, so any node answers any of it.
///
/// The servers behind the gate have had their handshakes: what a request says of itself stays here, and the answer gets what the era asks for
/// (`StatelessEra.frame`). From there on a call is a call: the same stages, the same charge, the same refusals.
enum StatelessEndpoint {
    static func receive(_ exchange: MCPExchange, on loop: LoopContext) {
        exchange.isStateless = true
        switch StatelessEra.fault(of: exchange) {
        case .refused(let code, let sentence): return exchange.fail(status: 400, code: code, sentence)
        case .version(let requested): return exchange.failForVersion(requested)
        case nil: break
        }
        switch exchange.envelope.kind {
        case .response:
            exchange.envelope = Envelope()
            exchange.fail(code: -32600, "Servers ask nothing in this revision, so there is nothing to respond to")
        // A client gives up by closing the stream of an answer; nothing else is there to be told of.
        case .notification:
            if removed.contains(exchange.method) { return refuseMethod(exchange) }
            exchange.acknowledge()
        case .request: dispatch(exchange, on: loop)
        }
    }

    private static func dispatch(_ exchange: MCPExchange, on loop: LoopContext) {
        if MCPEndpoint.refusesNotification(exchange) { return }
        if exchange.envelope.method == .toolsCall, let tool = exchange.envelope.call.toolName,
            let sentence = StatelessEra.mismatch(in: exchange, of: loop.parts.upstreams.mirroredArguments(of: tool))
        {
            return exchange.fail(code: StatelessEra.mismatch, sentence)
        }
        switch exchange.envelope.method {
        case .serverDiscover: exchange.succeed(loop.discovery())
        case .toolsCall where loop.discoversDynamically && MetaTool.take(exchange, on: loop): break
        case .toolsCall: if !loop.rounds.take(exchange, on: loop) { CallFlow.begin(exchange, on: loop) }
        case .toolsCallBatch: CallFlow.begin(exchange, on: loop)
        case .subscriptionsListen: ProxiedRequest(exchange, .listening, on: loop).begin()
        case .toolsList where loop.discoversDynamically: exchange.succeed(MetaTool.listing)
        case .toolsList: ProxiedRequest(exchange, .toolList, on: loop).begin()
        default:
            if removed.contains(exchange.method) { return refuseMethod(exchange) }
            if StatelessEra.canBeAsked(exchange), loop.rounds.take(exchange, on: loop) { return }
            ProxiedRequest(exchange, .asItIs, on: loop).begin()
        }
    }

    /// Methods of the earlier revisions that this one does not have.
    private static let removed: Set<String> = [
        "initialize", "initialized", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list",
        "tasks/result",
        "notifications/initialized", "notifications/roots/list_changed",
    ]

    private static func refuseMethod(_ exchange: MCPExchange) {
        exchange.fail(code: -32601, "Method not found: the revision \(StatelessEra.revision.rawValue) has no such method")
    }

    /// The result of `server/discover` (F-MCP-13): the same for everybody, so that it may be kept by anybody.
    fileprivate static func discovery(of parts: GateParts) -> [UInt8] {
        let isKnown = parts.upstreams.all.allSatisfy { $0.serverInfo != nil }
        var result: JSONObject = [
            "resultType": "complete", "supportedVersions": .array(ProtocolRevision.supported.map { .string($0.rawValue) }),
            "capabilities": .object(capabilities(of: parts.upstreams)),
            "ttlMs": .int(isKnown ? 60_000 : 0), "cacheScope": "public",
        ]
        if let instructions = Handshake.instructions(of: parts.upstreams) { result["instructions"] = .string(instructions) }
        return JSONValue.object(result).bytes
    }

    /// What this era has of what the servers can.
    private static func capabilities(of upstreams: UpstreamSet) -> JSONObject {
        var all = Handshake.capabilities(of: upstreams)
        // Tasks are an extension now, and none that a server of the session era has.
        all["tasks"] = nil
        return all
    }
}

extension LoopContext {
    /// What `server/discover` answers, made once a second at most, however many ask.
    fileprivate func discovery() -> [UInt8] {
        if let discovered, .now() - discovered.at < ListCopies.freshness { return discovered.result }
        let result = StatelessEndpoint.discovery(of: parts)
        discovered = (result, .now())
        return result
    }
}
