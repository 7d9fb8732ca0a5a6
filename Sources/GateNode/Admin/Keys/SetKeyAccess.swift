// POST /keys/acl: which tools a key may call (F-ACL-01).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let setKeyAccess = Endpoint(
        .post, "/keys/acl", "Set the tools that a key may or may not call; a list that is left out stays.", for: .atLeast(.admin),
        body: [Field.key, Field.newAllowed, Field.newDenied],
        answer: View<([String], [String], String)>([.texts("allowedTools", \.0), .texts("deniedTools", \.1), .text("message", \.2)]),
        failures: [.notFound], audits: ["key.acl_updated"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let (allowed, denied) = (try request[.newAllowed], try request[.newDenied])
        if allowed != nil || denied != nil {
            let audit = request.audit(
                "Tool access changed", of: key,
                ["allowed": String((allowed ?? key.access.allowed).count), "denied": String((denied ?? key.access.denied).count)])
            try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: audit)) { key in
                key.access.allowed = allowed ?? key.access.allowed
                key.access.denied = denied ?? key.access.denied
            }
        }
        return (allowed ?? key.access.allowed, denied ?? key.access.denied, "Tool access updated")
    }
}

extension Field where Value == [String]? {
    fileprivate static let newAllowed = Field<[String]>.allowedTools.optional
    fileprivate static let newDenied = Field<[String]>.deniedTools.optional
}
