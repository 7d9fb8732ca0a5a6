// POST /maintenance: closes /mcp on every node, or opens it again.

import ClusterState
import GateValues
import HTTPTypes

extension Endpoint {
    static let setMaintenance = Endpoint(
        .post, "/maintenance", "Enter or leave maintenance mode on every node.", for: .atLeast(.admin),
        body: [Field.enabled, Field.message],
        answer: .maintenance,
        audits: ["maintenance.enabled", "maintenance.disabled"], using: \.maintenance
    ) { request, maintenance in
        let isOn = try request[.enabled]
        let message = try request[.message]
        let audit =
            isOn
            ? request.audit("Maintenance enabled", as: "maintenance.enabled", ["message": message])
            : request.audit("Maintenance disabled", as: "maintenance.disabled")
        try await maintenance.set(isOn, message: message, now: request.now, audit: audit)
        return maintenance.current.page
    }
}

extension Field where Value == Bool {
    fileprivate static let enabled = Field("enabled", .flag, "Whether /mcp is closed.")
}

extension Field where Value == String {
    fileprivate static let message = Field("message", .text(upTo: 500, rest: .cut), "What callers are told.").default(
        Maintenance.usualMessage)
}
