// What a request of a client says of itself to a server of the revision 2026-07-28, whichever era the client is of.

import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

extension StatelessRequest {
    /// A client of that revision is heard as it speaks. For one of a session its session says what it can be asked and which logs it wants to
    /// hear, and who it is, is the gate.
    /// - Parameters:
    ///   - message: what it asks, with the ids of its upstream.
    ///   - isAskable: whether it can be asked something.
    ///   - mirrored: the arguments that headers repeat.
    static func of(
        _ exchange: MCPExchange, _ message: ByteBuffer, number: UInt64, isAskable: Bool, mirrored: [MirroredArgument], on loop: LoopContext
    ) -> StatelessRequest {
        exchange.isOfStatelessServer = true
        if exchange.isStateless {
            return StatelessRequest(
                message, number: number, as: description(of: exchange),
                capabilities: isAskable ? StatelessEra.capabilities(of: exchange) : [],
                mirrored: mirrored, forwarded: mirroredFields(of: exchange))
        }
        let session = exchange.session
        let isOwn = session.map { $0.isPresented && $0.isOwned && loop.sessions.isOwn($0, exchange.credential) } ?? false
        var capabilities = isOwn && isAskable ? session?.capabilities ?? [] : []
        // Nobody tells of it in this era.
        capabilities.remove(.rootsListChanged)
        let description = StatelessMeta.Description(
            capabilities: capabilities.json.bytes, clientInfo: clientInfo, logLevel: session?.logLevel?.token)
        return StatelessRequest(message, number: number, as: description, capabilities: capabilities, mirrored: mirrored)
    }

    private static func description(of exchange: MCPExchange) -> StatelessMeta.Description {
        // Of a batch nobody is asked anything.
        guard exchange.envelope.method != .toolsCallBatch, let meta = exchange.envelope.meta,
            let capabilities = exchange.envelope.declaredCapabilities
        else {
            return StatelessMeta.Description(clientInfo: clientInfo)
        }
        return exchange.body.withUnsafeReadableBytes { body in
            StatelessMeta.Description(of: UnsafeRawBufferPointer(rebasing: body[meta]), capabilities: Array(body[capabilities]))
        }
    }

    /// The fields by which a client repeats arguments: those that the gate does not know go on as they are (2026-07-28, Custom Headers).
    private static func mirroredFields(of exchange: MCPExchange) -> [(name: String, value: String)] {
        guard exchange.envelope.method == .toolsCall else { return [] }
        var fields: [(name: String, value: String)] = []
        let prefix = "mcp-param-"
        exchange.head.fields.forEach { name, value in
            guard name.count > prefix.utf8.count, zip(name, prefix.utf8).allSatisfy({ $0 | 0x20 == $1 || $0 == $1 }) else { return }
            fields.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        return fields
    }
}
