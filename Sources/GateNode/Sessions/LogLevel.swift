// The levels of log messages (MCP Logging).

import MCPWire

/// From the least urgent to the most urgent.
enum LogLevel: String, CaseIterable {
    case debug, info, notice, warning, error, critical, alert, emergency

    /// The level that a JSON token names; nil for any other.
    init?(token: some Collection<UInt8>) {
        guard token.count <= 16, let level = Self.allCases.first(where: { token.elementsEqual($0.token) }) else { return nil }
        self = level
    }

    /// A JSON string.
    var token: [UInt8] { JSONText.quoted(rawValue) }
}
