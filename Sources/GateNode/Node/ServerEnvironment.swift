// What a stdio server sees of the node's surroundings: a list, and nothing that was forgotten.

import ChildProcesses
import Foundation
import GateSettings

/// The environment of server processes.
enum ServerEnvironment {
    /// What programs need to run at all, and what no secret is kept in.
    static let usual: Set<String> = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR"]

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
