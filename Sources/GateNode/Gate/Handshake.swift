// The gate's own answer to `initialize`: what the upstream can, under the revision that was agreed with this client.

import ClusterState
import GateDomain
import GateSettings
import MCPUpstream
import MCPWire
import NIOCore

/// A gate that multiplexes clients on one server owns the handshake: it cannot replay each client's (MCP 2025-11-25 Lifecycle).
enum Handshake {
    static func answer(_ exchange: MCPExchange, on loop: LoopContext) {
        let opened = { (session: Session) in
            exchange.session = session
            exchange.succeed(result(for: exchange, loop.parts).bytes)
        }
        guard let credential = exchange.credential else { return loop.sessions.open(owner: "", isKnown: false, opened) }
        // Anybody can send a word that looks like a key.
        loop.identify(credential, fresh: false) { lookup, _ in
            let isKnown = if case .found(let key) = lookup { key.record.state == .active } else { false }
            loop.sessions.open(owner: KeyCache.digest(credential), isKnown: isKnown, opened)
        }
    }

    /// The requested revision if it is served, else the latest one; capabilities and instructions are the upstream's.
    private static func result(for exchange: MCPExchange, _ parts: GateParts) -> JSONValue {
        let upstream = parts.upstreams.first?.serverInfo.flatMap { try? JSONValue.parse(Array($0.bytes.readableBytesView)) }
        var result: JSONObject = [
            "protocolVersion": .string(ProtocolRevision.agreed(on: exchange.envelope.protocolVersion).rawValue),
            "capabilities": upstream?["capabilities"] ?? ["tools": [:]],
            "serverInfo": ["name": .string(parts.settings.name), "version": .string(ProductVersion.current)],
        ]
        if let instructions = upstream?["instructions"] { result["instructions"] = instructions }
        return .object(result)
    }
}
