// POST /keys/clone: a new key that may do what another may, with counters of its own (F-KEY-07).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let cloneKey = Endpoint(
        .post, "/keys/clone", "Make a key with the configuration of another; counters, alias, team and notes are not copied.",
        for: .atLeast(.admin),
        body: [Field.key, Field.cloneName, Field.cloneCredits, Field.cloneTags, Field.cloneNamespace],
        success: .created,
        answer: [
            "message": .string, "id": .string, "key": .string.described("The secret; it is never shown again."), "name": .string,
            "credits": .integer, "clonedFrom": .string, "sourceName": .string, "allowedTools": .list(of: .string),
            "deniedTools": .list(of: .string), "expiresAt": .time.nullable, "quota": Quota.view.schema.nullable, "tags": .tags,
            "ipAllowlist": .list(of: .string), "namespace": .string, "spendingLimit": .integer,
        ],
        failures: [.notFound], audits: ["key.cloned"], using: \.keys
    ) { request, keys in
        let source = try await request.target(in: keys, revoked: true)
        guard source.state != .revoked else { throw HTTPFailure.badRequest("Key is revoked; it cannot be cloned") }
        let secret = Credential.generate()
        let clone = try source.cloned(by: request, secret: secret)
        var credits = try request[.cloneCredits]
        if credits == nil { credits = try await keys.account(source.id).credits }
        let audit = request.audit("Key cloned", of: clone, ["from": source.masked, "credits": String(credits ?? 0)])
        try await keys.create(clone, secret: secret, credits: credits ?? 0, Operation(audit: audit))
        return [
            "message": "Key cloned. Store it now: it is not shown again.", "id": clone.id, "key": secret, "name": clone.name,
            "credits": credits ?? 0, "clonedFrom": source.prefix, "sourceName": source.name, "allowedTools": clone.access.allowed,
            "deniedTools": clone.access.denied, "expiresAt": clone.expiresAt.map(Timestamp.text), "quota": clone.quota.map(Quota.view.json),
            "tags": clone.tags, "ipAllowlist": clone.addresses, "namespace": clone.namespace, "spendingLimit": clone.spendingLimit,
        ]
    }
}

extension KeyRecord {
    /// All of it that is configuration, under another id.
    fileprivate func cloned(by request: EndpointRequest, secret: String) throws(HTTPFailure) -> KeyRecord {
        let name = try request[.cloneName].flatMap { $0.isEmpty ? nil : $0 } ?? String((self.name + "-clone").suffix(200))
        return KeyRecord(
            id: AccountID.make("key").text, name: name, prefix: Credential.shortMask(secret), masked: Credential.longMask(secret),
            createdAt: request.now, expiresAt: expiresAt, spendingLimit: spendingLimit, access: access, addresses: addresses,
            countries: countries, tags: try request[.cloneTags] ?? tags, namespace: try request[.cloneNamespace] ?? namespace, quota: quota,
            autoTopUp: autoTopUp)
    }
}

extension Field where Value == String? {
    fileprivate static let cloneName = Field<String>(
        "name", .text(upTo: 200, rest: .cut), "What people call it; the other's and -clone by default."
    )
    .optional
    fileprivate static let cloneNamespace = Field<String>("namespace", .namespace, "Where it belongs; the other's by default.").optional
}

extension Field where Value == Int? {
    fileprivate static let cloneCredits = Field<Int>("credits", .credits, "What it may spend; what the other has by default.").optional
}

extension Field where Value == [String: String]? {
    fileprivate static let cloneTags = Field<[String: String]>("tags", .tags, "Labels; the other's by default.").optional
}
