// POST /limits: what a key may spend in its life (F-CREDIT-11).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let setSpendingLimit = Endpoint(
        .post, "/limits", "Set the spending limit of a key.", for: .atLeast(.admin),
        body: [Field.key, Field.spendingLimit],
        answer: View<(Int, String)>([.integer("spendingLimit", \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.limit_updated"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let limit = try request[.spendingLimit]
        let audit = request.audit("Spending limit changed", of: key, ["spendingLimit": String(limit)])
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: audit)) { $0.spendingLimit = limit }
        return (limit, limit == 0 ? "Spending limit removed" : "Spending limit updated")
    }
}
