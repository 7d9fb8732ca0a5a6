// The gate's own answer to `initialize`: what the upstream can, under the revision that was agreed with this client.

import GateDomain
import MCPWire
import NIOCore

/// A gate that multiplexes clients on one server owns the handshake: it cannot replay each client's (MCP 2025-11-25 Lifecycle).
enum Handshake {
    static func answer(_ exchange: MCPExchange) {
        exchange.lane.sessions.open(exchange) { session in
            exchange.session = session
            exchange.succeed(result(for: exchange).bytes)
        }
    }

    /// The requested revision if it is served, else the latest one; capabilities and instructions are the upstream's.
    private static func result(for exchange: MCPExchange) -> JSONValue {
        let upstream = exchange.lane.node.upstreams.first?.serverInfo.flatMap { try? JSONValue.parse(Array($0.bytes.readableBytesView)) }
        var result: JSONObject = [
            "protocolVersion": .string(ProtocolRevision.agreed(on: exchange.envelope.protocolVersion).rawValue),
            "capabilities": upstream?["capabilities"] ?? ["tools": [:]],
            "serverInfo": ["name": .string(exchange.lane.node.settings.name), "version": .string(ProductVersion.current)],
        ]
        if let instructions = upstream?["instructions"] { result["instructions"] = instructions }
        return .object(result)
    }
}
