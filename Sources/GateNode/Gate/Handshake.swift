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
        let capabilities = Self.capabilities(of: exchange)
        let revision = ProtocolRevision.agreed(on: exchange.envelope.protocolVersion)
        let opened = { (session: Session) in
            exchange.session = session
            exchange.succeed(result(for: exchange, loop.parts).bytes)
        }
        guard let credential = exchange.credential else {
            return loop.sessions.open(owner: "", key: nil, capabilities, revision, opened)
        }
        // Anybody can send a word that looks like a key.
        loop.identify(credential, fresh: false) { lookup, _ in
            guard case .found(let key) = lookup, key.record.state == .active else {
                return loop.sessions.open(owner: Credential.digest(of: credential), key: nil, capabilities, revision, opened)
            }
            loop.sessions.open(owner: Credential.digest(of: credential), key: key.id, capabilities, revision) { session in
                if session.isOpened { loop.note(.created, session.id, of: key.record, exchange.requestID) }
                opened(session)
            }
        }
    }

    /// What the client can be asked; of a declaration longer than any, nothing.
    private static func capabilities(of exchange: MCPExchange) -> ClientCapabilities {
        guard let range = exchange.envelope.capabilities, range.count <= 16_384 else { return [] }
        return ClientCapabilities(try? JSONValue.parse(exchange.body.token(range)))
    }

    /// The requested revision if it is served, else the latest one; capabilities and instructions are the upstream's.
    private static func result(for exchange: MCPExchange, _ parts: GateParts) -> JSONValue {
        var result: JSONObject = [
            "protocolVersion": .string(ProtocolRevision.agreed(on: exchange.envelope.protocolVersion).rawValue),
            "capabilities": .object(capabilities(of: parts.upstreams)),
            "serverInfo": ["name": .string(parts.settings.name), "version": .string(ProductVersion.current)],
        ]
        if let instructions = instructions(of: parts.upstreams) { result["instructions"] = .string(instructions) }
        return .object(result)
    }

    /// What the servers say of their use; nil if none says anything.
    static func instructions(of upstreams: UpstreamSet) -> String? {
        let all = upstreams.all.compactMap { upstream -> String? in
            guard let info = upstream.serverInfo, let value = try? JSONValue.parse(Array(info.bytes.readableBytesView)),
                let text = value["instructions"]?.stringValue
            else { return nil }
            return upstream.prefix.map { "[\($0)] \(text)" } ?? text
        }
        return all.isEmpty ? nil : all.joined(separator: "\n\n")
    }

    /// What the servers can, as far as they have said it; tools where none has said anything.
    static func capabilities(of upstreams: UpstreamSet) -> JSONObject {
        let all = upstreams.all.compactMap { upstream in
            upstream.serverInfo.flatMap { try? JSONValue.parse(Array($0.bytes.readableBytesView)) }?["capabilities"]?.objectValue
        }
        return all.isEmpty ? ["tools": [:]] : merged(all)
    }

    /// What one of the servers can, the gate can.
    private static func merged(_ all: [JSONObject]) -> JSONObject {
        var sum = JSONObject()
        for capabilities in all {
            for member in capabilities.members {
                switch (sum[member.name], member.value) {
                case (.object(let known)?, .object(let more)): sum[member.name] = .object(merged([known, more]))
                case (nil, _), (.bool(false)?, _): sum[member.name] = member.value
                default: break
                }
            }
        }
        return sum
    }
}
