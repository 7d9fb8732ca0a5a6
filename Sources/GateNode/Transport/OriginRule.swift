// Which pages in browsers may call, and under which names the gate is called (MCP 2025-11-25 Transports, Security).

import GateDomain
import GateSettings
import HTTPWire

/// A program sends no Origin and names the host that it has connected to; a page in a browser cannot help sending its own.
enum OriginRule {
    /// A page may call if the operator has listed its origin, or has written down that all may.
    static func permits(_ exchange: MCPExchange) -> Bool {
        guard let origin = exchange.head.fields.string(of: .origin) else { return true }
        switch exchange.front.settings.cors.origin {
        case .any: return true
        case .unlisted: return false
        case .listed(let origins): return origins.contains { $0.hasSameBytes(as: origin) }
        }
    }

    /// Whoever came to a loopback address names it, or `localhost`, or the host that the operator listens on. Any other name belongs to a
    /// page whose name was bent to this machine.
    static func permitsHost(of exchange: MCPExchange) -> Bool {
        guard exchange.cameToLoopback, let host = exchange.head.fields.string(of: .host) else { return true }
        let name = name(in: host)
        return name == "localhost" || IPAddress(name).map(\.isLoopback) ?? false || name.hasSuffix(".localhost")
            || name.hasSameBytes(as: exchange.front.settings.host)
    }

    /// The host without its port, in lower case. A Host field is ASCII (HTTP1RequestDraft.checkHost).
    private static func name(in host: String) -> Substring {
        let bytes = host.utf8
        if bytes.first == UInt8(ascii: "[") { return Substring(bytes.dropFirst().prefix { $0 != UInt8(ascii: "]") }) }
        let name = Substring(bytes.prefix { $0 != UInt8(ascii: ":") })
        return name.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) } ? Substring(name.lowercased()) : name
    }
}
