// Several backends behind one gate (F-MULTI-02): what one is, and how they are given.

import GateValues
import MCPWire

/// One of several servers behind the gate: its tools are shown as `prefix:tool` (F-MULTI-01).
package struct ServerSettings: Sendable, Equatable {
    /// Not empty, unique, without a colon.
    package var prefix: String
    /// Program of a stdio server; exactly one of `serverCommand` and `remoteUrl` is set.
    package var serverCommand: String?
    /// Arguments of `serverCommand`, each as it is.
    package var serverArgs: [String]
    /// What it sees of the environment, beside what every server sees: `NAME`, or `NAME=value`.
    package var serverEnv: [String] = []
    /// Streamable HTTP endpoint, http or https.
    package var remoteUrl: String?

    /// A server; nothing is checked here.
    package init(
        prefix: String, serverCommand: String? = nil, serverArgs: [String] = [], remoteUrl: String? = nil
    ) {
        self.prefix = prefix
        self.serverCommand = serverCommand
        self.serverArgs = serverArgs
        self.remoteUrl = remoteUrl
    }
}

extension SettingKind where Value == [ServerSettings] {
    static var servers: Self { Self(.servers, .list(placeholder: "server")) }
}

extension ValueKind where Value == [ServerSettings] {
    fileprivate static let servers = Self(
        .list(of: .object),
        reading: { json, findings in
            guard case .array(let entries) = json else {
                findings.refuse("Must be a list of servers.", showing: json)
                return nil
            }
            let servers = entries.enumerated().compactMap { index, entry in
                findings.within("[\(index)]") { ValueKind<ServerSettings>.server.read(entry, &$0) }
            }
            for (index, server) in servers.enumerated()
            where !server.prefix.isEmpty && servers[..<index].contains(where: { $0.prefix == server.prefix }) {
                findings.refuse("The prefix \"\(server.prefix)\" is used twice.")
            }
            return servers
        })
}

extension ValueKind where Value == ServerSettings {
    fileprivate static let server = members { members, findings in
        var server = ServerSettings(prefix: "")
        let members = members.filter { !$0.value.isNull }
        for member in members {
            findings.within(".\(member.name)") { findings in
                switch member.name {
                case "prefix": server.prefix = ValueKind<String>.prefix.read(member.value, &findings) ?? ""
                case "serverCommand": server.serverCommand = ValueKind<String>.program.read(member.value, &findings)
                case "serverArgs": server.serverArgs = ValueKind<[String]>.words().read(member.value, &findings) ?? []
                case "serverEnv":
                    server.serverEnv =
                        ValueKind<[String]>.words(rule: EnvironmentEntry.rule, EnvironmentEntry.isEntry).read(member.value, &findings) ?? []
                case "remoteUrl": server.remoteUrl = ValueKind<String>.url(["http", "https"]).read(member.value, &findings)
                default: findings.remark(Setting.unknown)
                }
            }
        }
        let isGiven = { (name: String) in members.contains { $0.name == name } }
        if !isGiven("prefix") {
            findings.refuse("It needs a prefix.")
        } else if !server.prefix.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") || isLetterOrDigit($0) }) {
            findings.remark("The prefix \"\(server.prefix)\" has characters that some MCP clients refuse in a tool's name.")
        }
        if isGiven("serverCommand") == isGiven("remoteUrl") {
            findings.refuse("It needs exactly one of serverCommand and remoteUrl.")
        }
        return server
    }
}

extension ValueKind where Value == String {
    fileprivate static let program = word(.string, rule: "Must be text that is not empty.") { !$0.isEmpty }
    fileprivate static let prefix = word(.string, rule: "Must be text without a colon.") { !$0.isEmpty && !$0.contains(":") }
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    default: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
