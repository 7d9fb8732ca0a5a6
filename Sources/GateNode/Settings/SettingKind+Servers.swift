// Several backends behind one gate (F-MULTI-02): what one is, and how they are given.

import MCPWire

/// One of several servers behind the gate: its tools are shown as `prefix:tool` (F-MULTI-01).
package struct ServerSettings: Sendable, Equatable {
    /// Not empty, unique, without a colon.
    package var prefix: String
    /// Program of a stdio server; exactly one of `serverCommand` and `remoteUrl` is set.
    package var serverCommand: String?
    /// Arguments of `serverCommand`, each as it is.
    package var serverArgs: [String]
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
    static var servers: Self {
        Self(
            .list(placeholder: "server"),
            read: { document, place, diagnostics in
                guard case .array(let entries) = document else {
                    diagnostics.refuse(place, showing: document.shown, "Must be a list of servers.")
                    return nil
                }
                let servers = entries.enumerated().compactMap { index, entry in
                    ServerSettings(entry, place.element(index), &diagnostics)
                }
                for (index, server) in servers.enumerated()
                where !server.prefix.isEmpty && servers[..<index].contains(where: { $0.prefix == server.prefix }) {
                    diagnostics.refuse(place, "The prefix \"\(server.prefix)\" is used twice.")
                }
                return servers
            }
        )
    }
}

extension ServerSettings {
    fileprivate init?(_ document: JSONValue, _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics) {
        guard let fields = place.members(document, &diagnostics) else { return nil }
        self.init(prefix: "")
        for member in fields where !member.value.isNull {
            let (field, value) = (place.member(member.name), member.value)
            switch member.name {
            case "prefix": prefix = Self.prefix.read(value, field, &diagnostics) ?? ""
            case "serverCommand": serverCommand = SettingKind.text("command").read(value, field, &diagnostics)
            case "serverArgs": serverArgs = field.words(value, &diagnostics) ?? []
            case "remoteUrl": remoteUrl = SettingKind.url(["http", "https"]).read(value, field, &diagnostics)
            default: diagnostics.warn(field.field, Setting.unknown)
            }
        }
        if document[path: "prefix"] == nil {
            diagnostics.refuse(place, "It needs a prefix.")
        } else if !prefix.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") || isLetterOrDigit($0) }) {
            diagnostics.warn(place.field, "The prefix \"\(prefix)\" has characters that some MCP clients refuse in a tool's name.")
        }
        if (document[path: "serverCommand"] == nil) == (document[path: "remoteUrl"] == nil) {
            diagnostics.refuse(place, "It needs exactly one of serverCommand and remoteUrl.")
        }
    }

    private static var prefix: SettingKind<String> {
        .text("prefix", rule: "Must be text without a colon.") { !$0.isEmpty && !$0.contains(":") }
    }
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    default: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
