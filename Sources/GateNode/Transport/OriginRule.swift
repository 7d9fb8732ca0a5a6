// Which pages in browsers may call, and under which names the gate is called (MCP 2025-11-25 Transports, Security).

import GateDomain
import GateSettings
import HTTPWire

/// A program sends no Origin and names the host that it has connected to; a page in a browser cannot help sending its own.
enum OriginRule {
    /// A page may call if the operator has listed its origin, or has written down that all may.
    static func permits(_ exchange: MCPExchange) -> Bool {
        guard let origin = exchange.head.fields.string(of: .origin) else { return true }
        return permits(origin, by: exchange.front.settings.cors.origin)
    }

    static func permits(_ origin: String, by rule: CORSSettings.Origins) -> Bool {
        switch rule {
        case .any: true
        case .unlisted: false
        case .listed(let origins): origins.contains { $0.hasSameBytes(as: origin) }
        }
    }

    /// Whoever came to a loopback address names it, or `localhost`, or the host that the operator listens on. Any other name belongs to a
    /// page whose name was bent to this machine.
    static func permitsHost(of exchange: MCPExchange) -> Bool {
        guard exchange.cameToLoopback, let host = exchange.head.fields.string(of: .host) else { return true }
        let front = exchange.front
        if front.ownHost.hasSameBytes(as: host) { return true }
        guard isOfThisMachine(host, listeningOn: front.settings.host) else { return false }
        front.ownHost = host
        return true
    }

    /// - Parameter host: a Host field, with or without a port; ASCII (HTTP1RequestDraft.checkHost).
    static func isOfThisMachine(_ host: String, listeningOn own: String) -> Bool {
        guard let name = name(in: host) else { return false }
        return name.hasSameBytes(as: own) || IPAddress(name).map(\.isLoopback) ?? false || name.hasSameBytes(as: "localhost")
            || name.utf8.suffix(localSuffix.utf8.count).elementsEqual(localSuffix.utf8)
    }

    private static let localSuffix = ".localhost"

    /// The host without its port, in lower case; nil if what is behind it is no port.
    private static func name(in host: String) -> Substring? {
        let bytes = host.utf8
        let isBracketed = bytes.first == UInt8(ascii: "[")
        guard let end = isBracketed ? bytes.firstIndex(of: UInt8(ascii: "]")) : bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
        else { return nil }
        let port = isBracketed ? bytes[bytes.index(after: end)...] : bytes[end...]
        guard port.isEmpty || port.first == UInt8(ascii: ":"),
            port.dropFirst().allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        let name = Substring(isBracketed ? bytes[..<end].dropFirst() : bytes[..<end])
        // An address has no zone here: a page could have anything behind the sign.
        guard !name.utf8.contains(UInt8(ascii: "%")) else { return nil }
        return name.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) } ? Substring(name.lowercased()) : name
    }
}
