// What stands for a session where a client of the revision without sessions has a server of its own.

import MCPWire

/// The name under which such a server knows the clients of a key.
enum StatelessSession {
    private static let prefix = "stateless:"

    /// That of a key whose requests declare these capabilities.
    static func name(of key: String, _ capabilities: ClientCapabilities) -> String { "\(prefix)\(key):\(capabilities.rawValue)" }

    /// The key for which it stands; nil for a session of the other era.
    static func key(of name: String) -> String? {
        guard name.hasPrefix(prefix) else { return nil }
        return name.dropFirst(prefix.count).split(separator: ":").first.map(String.init)
    }
}
