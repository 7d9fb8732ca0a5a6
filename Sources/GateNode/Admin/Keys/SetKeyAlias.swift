// POST /keys/alias: what a key is called in admin requests besides its id (F-ALIAS-01 to F-ALIAS-04).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let setKeyAlias = Endpoint(
        .post, "/keys/alias", "Give a key an alias that no other has, or take its alias away.", for: .atLeast(.admin),
        body: [Field.key, Field.alias],
        answer: View<(String, String?, String)>([
            .text("key", \.0).described("The first characters of the secret."), .text("alias", \.1), .text("message", \.2),
        ]),
        failures: [.notFound, .conflict], audits: ["key.alias_set"], using: \.keys
    ) { request, keys in
        let alias: String?
        switch try request[.alias] {
        case .unchanged: throw HTTPFailure.badRequest("Missing alias; null takes it away")
        case .cleared: alias = nil
        case .set(let text): alias = text.isEmpty ? nil : text
        }
        let key = try await request.target(in: keys)
        let audit = request.audit("Alias changed", of: key, ["alias": alias ?? "none", "before": key.alias ?? ""])
        try await keys.setAlias(alias, of: key.id, Operation(audit: audit))
        return (key.prefix, alias, alias == nil ? "Alias removed" : "Alias set")
    }
}

extension Field where Value == Edit<String> {
    fileprivate static let alias = Field<String>("alias", .aliasOrNone, "Names the key in admin requests; null or empty for none.")
        .clearable
}

extension ValueKind where Value == String {
    fileprivate static let aliasOrNone = Self(.string(0...100).described("1 to 100 letters, digits, hyphens or underscores.")) {
        json throws(ValueFault) in json.stringValue?.isEmpty == true ? "" : try ValueKind.alias.value(of: json)
    }
}
