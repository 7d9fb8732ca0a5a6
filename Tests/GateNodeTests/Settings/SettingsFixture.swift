@testable import GateNode
@testable import GateSettings

/// Resolves settings from a file's text, variables and flags; a backend is given unless the file has one.
func resolve(
    file: String? = nil, environment: [String: String] = [:], flags: [String: [String]] = [:]
) -> SettingsResolution {
    var flags = flags
    if file == nil, flags["remoteUrl"] == nil, environment["PAYGATE_REMOTE_URL"] == nil, environment["PAYGATE_SERVER"] == nil {
        flags["serverCommand"] = flags["serverCommand"] ?? ["node server.js"]
    }
    if file != nil { flags["config"] = ["paygate.json"] }
    return SettingsResolution(flags: flags, environment: environment) { _ throws(ConfigFile.Fault) in
        try ConfigFile.document(in: Array((file ?? "").utf8), of: "The fixture")
    }
}

/// The lines that `validate` prints about a file that has a backend and these fields.
func lines(_ fields: String) -> [String] {
    resolve(file: #"{"serverCommand": "node", "# + fields + "}").diagnostics.entries.map(\.description)
}
