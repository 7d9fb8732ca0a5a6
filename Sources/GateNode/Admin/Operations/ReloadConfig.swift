// POST /config/reload: reads the configuration file again, and every node judges by it (F-CFG-03 to F-CFG-07).

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let reloadConfig = Endpoint(
        .post, "/config/reload", "Read the configuration file again and apply what may change while the gate runs.", for: .atLeast(.admin),
        answer: [
            "ok": .boolean, "changed": .list(of: .string), "skipped": .list(of: .string).described("Differ, but need a restart."),
            "warnings": .list(of: ["field": .string, "message": .string]), "message": .string,
        ],
        audits: ["config.reloaded"], using: { (settings: $0.settings, rules: $0.reload) }
    ) { request, parts in
        guard parts.settings.configPath != nil else {
            throw HTTPFailure.badRequest("This node was started without a configuration file; start it with --config FILE")
        }
        let (resolution, reload) = parts.rules.read()
        let faults = resolution.diagnostics.errors
        guard faults.isEmpty else {
            let listed = faults.map { JSONObject.of(["field": $0.field, "message": $0.message]).json }
            throw HTTPFailure(.badRequest, "The configuration is not valid; nothing was applied").with(["diagnostics": .array(listed)])
        }
        let changed = reload.changed.joined(separator: " ")
        try await parts.rules.apply(reload, Operation(audit: request.audit("Configuration reloaded", ["changed": changed])))
        return [
            "ok": true, "changed": reload.changed, "skipped": reload.skipped,
            "warnings": resolution.diagnostics.warnings.map { JSONObject.of(["field": $0.field, "message": $0.message]) },
            "message": reload.changed.isEmpty ? "Nothing has changed" : "Configuration reloaded",
        ]
    }
}
