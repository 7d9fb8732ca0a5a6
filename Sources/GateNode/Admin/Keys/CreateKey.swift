// POST /keys: makes a key with its credential, which is shown this once.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let createKey = Endpoint(
        .post, "/keys", "Create an API key.", for: .atLeast(.admin),
        body: [
            Field.newName, Field.newCredits, Field.newSpendingLimit, Field.newAllowedTools, Field.newDeniedTools, Field.newAddresses,
            Field.expiresIn, Field.expiresAt, Field.newTags, Field.newNamespace, Field.newAlias,
            Field.newQuota, Field.newTemplate, Field.later("group"), Field.autoTopUp,
        ],
        success: .created,
        answer: [
            "id": .string, "key": .string.described("The secret; it is never shown again."), "name": .string, "credits": .integer,
            "spendingLimit": .integer, "allowedTools": .list(of: .string), "deniedTools": .list(of: .string), "expiresAt": .time.nullable,
            "tags": .tags, "ipAllowlist": .list(of: .string), "namespace": .string, "alias": .string.nullable,
            "quota": Quota.view.schema.nullable, "autoTopup": AutoTopUp.view.schema.nullable, "message": .string,
        ],
        failures: [.conflict], audits: ["key.created"], using: \.keys
    ) { request, keys in
        let secret = Credential.generate()
        let template = try await request.template(in: keys)
        let key = try request.newKey(secret: secret, now: request.now, from: template)
        let credits = try request.given(.newCredits) ?? template?.credits ?? request[.newCredits]
        let audit = request.audit("Key created", of: key, ["credits": String(credits), "template": template?.name ?? ""])
        try await keys.create(key, secret: secret, credits: credits, Operation(audit: audit))
        return [
            "id": key.id, "key": secret, "name": key.name, "credits": credits, "spendingLimit": key.spendingLimit,
            "allowedTools": key.access.allowed, "deniedTools": key.access.denied, "expiresAt": key.expiresAt.map(Timestamp.text),
            "tags": key.tags, "ipAllowlist": key.addresses, "namespace": key.namespace, "alias": key.alias,
            "quota": key.quota.map(Quota.view.json), "autoTopup": key.autoTopUp.map(AutoTopUp.view.json),
            "message": "Key created. Store it now: it is not shown again.",
        ]
    }
}

extension EndpointRequest {
    /// The template that a new key is to be made from; nil for none.
    fileprivate func template(in keys: KeyDirectory) async throws -> KeyTemplate? {
        guard let name = try self[.newTemplate] else { return nil }
        guard let template = try await keys.templates.read(KeyTemplate.id(of: name)) else {
            throw HTTPFailure.badRequest("Invalid template. There is none of that name.")
        }
        return template
    }

    /// The value of a field, nil where the request does not say it.
    fileprivate func given<Value>(_ field: Field<Value>) throws(HTTPFailure) -> Value? {
        guard let json = inputs[field.name], !json.isNull else { return nil }
        return try self[field]
    }

    /// The key that is asked for; what is not said is taken from the template (F-TPL-02).
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func newKey(secret: String, now: Int, from template: KeyTemplate? = nil) throws(HTTPFailure) -> KeyRecord {
        let name = try self[.newName]
        var expiry = try expiry(now: now)
        if case .unchanged = expiry, let life = template?.life, life > 0 { expiry = .set(now + life * 1000) }
        return KeyRecord(
            id: AccountID.make("key").text, name: name.isEmpty ? "unnamed" : name, prefix: Credential.shortMask(secret),
            masked: Credential.longMask(secret), createdAt: now, expiresAt: expiry.value,
            spendingLimit: try given(.newSpendingLimit) ?? template?.spendingLimit ?? 0,
            access: ToolAccess(
                allowed: try given(.newAllowedTools) ?? template?.access.allowed ?? [],
                denied: try given(.newDeniedTools) ?? template?.access.denied ?? []),
            addresses: try given(.newAddresses) ?? template?.addresses ?? [], tags: try given(.newTags) ?? template?.tags ?? [:],
            namespace: try given(.newNamespace) ?? template?.namespace ?? "default", alias: try self[.newAlias],
            quota: try self[.newQuota] ?? template?.quota, autoTopUp: try self[.autoTopUp] ?? template?.autoTopUp)
    }
}

extension Field where Value == String {
    fileprivate static let newName = Field("name", .text(upTo: 200, rest: .cut), "What people call it.").default("unnamed")
    fileprivate static let newNamespace = Field("namespace", .namespace, "Where it belongs.").default("default")
}

extension Field where Value == String? {
    fileprivate static let newTemplate = Field<String>("template", .templateName, "What is not said here is taken from it.").optional
    fileprivate static let newAlias = Field<String>("alias", .alias, "Names the key in admin requests.").optional
}

extension Field where Value == Quota? {
    fileprivate static let newQuota = Field<Quota>("quota", .quota, "What it may do a UTC day and month.").optional
}

extension Field where Value == Int {
    fileprivate static let newCredits = Field("credits", .credits, "What it may spend.").default(unlessNull: 100)
    fileprivate static let newSpendingLimit = Field.spendingLimit.default(unlessNull: 0)
}

extension Field where Value == [String] {
    fileprivate static let newAllowedTools = Field.allowedTools.default([])
    fileprivate static let newDeniedTools = Field.deniedTools.default([])
}

extension Field where Value == [AddressRange] {
    fileprivate static let newAddresses = Field("ipAllowlist", .addresses, "From where it may call; empty means from everywhere.").default(
        [])
}

extension Field where Value == [String: String] {
    fileprivate static let newTags = Field("tags", .tags, "Labels.").default([:])
}
