// What a stdio server sees of the node's surroundings: a list, and nothing that was forgotten.

import ClusterState
import Foundation

/// The environment of server processes.
enum ServerEnvironment {
    /// What programs need to run at all, and what no secret is kept in.
    static let usual: Set<String> = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR"]

    static let rule = "Must be NAME or NAME=value, with letters, digits and underscores in the name."

    /// Whether a text names a variable, with or without a value.
    static func isEntry(_ entry: String) -> Bool {
        let name = entry.prefix { $0 != "=" }
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
        return !entry.utf8.contains(0)
            && name.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
    }

    /// - Parameters:
    ///   - own: entries of one server.
    ///   - variables: the node's.
    static func of(
        _ settings: Settings, own: [String] = [], from variables: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String: String] {
        var environment = variables.filter { name, _ in
            !name.hasPrefix("PAYGATE_") && (settings.inheritEnv || usual.contains(name) || name.hasPrefix("LC_"))
        }
        if let user = settings.serverUser, let account = SystemUser(named: user) {
            environment["HOME"] = account.home
            environment["SHELL"] = account.shell
            environment["USER"] = account.name
            environment["LOGNAME"] = account.name
        }
        for entry in settings.serverEnv + own {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            environment[name] = parts.count == 2 ? String(parts[1]) : variables[name]
        }
        return environment
    }
}
