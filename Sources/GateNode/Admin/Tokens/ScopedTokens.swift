// POST /tokens, POST /tokens/revoke and GET /tokens/revoked: keys that are lent for a while and for some tools (F-TOKEN-01 to F-TOKEN-09).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let createToken = Endpoint(
        .post, "/tokens", "Make a token that lends a key for a while, and for some of its tools if they are named.", for: .atLeast(.admin),
        body: [Field.key, Field.ttl, Field.lentTools, Field.label],
        success: .created,
        answer: [
            "token": .string.described("It is never shown again."), "expiresAt": .time, "ttl": .integer,
            "parentKey": .string.described("The name of the key."), "allowedTools": .list(of: .string), "label": .string.nullable,
            "message": .string,
        ],
        failures: [.notFound], audits: ["token.created"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let (ttl, tools) = (try request[.ttl], try request[.lentTools])
        let label = try request[.label].flatMap { $0.isEmpty ? nil : $0 }
        let (now, end) = (request.now, request.now + ttl * 1000)
        let token = TokenText(of: key, issuedAt: now, expiresAt: end, signedWith: try await TokenText.secret(in: keys.store))
        let credential = Credential(digest: Credential.digest(of: token.text), kind: .token, keyID: key.id, tools: tools, expiresAt: end)
        let audit = request.audit(
            "Token created", of: key,
            ["fingerprint": credential.digest, "ttl": String(ttl), "tools": String(tools.count), "label": label ?? ""])
        try await keys.credentials.records.create(
            CredentialRecord(credential, label: label ?? "", createdAt: now), Operation(audit: audit))
        return [
            "token": token.text, "expiresAt": Timestamp.text(milliseconds: end), "ttl": ttl, "parentKey": key.name, "allowedTools": tools,
            "label": label, "message": "Token created. Store it now: it is not shown again.",
        ]
    }

    static let revokeToken = Endpoint(
        .post, "/tokens/revoke", "Revoke a token for good; nothing is admitted by it from then on.", for: .atLeast(.admin),
        body: [Field.token, Field.revokeReason],
        answer: ["message": .string, "fingerprint": .string, "expiresAt": .time, "revokedAt": .time],
        failures: [.conflict], audits: ["token.revoked"], using: \.keys
    ) { request, keys in
        let (text, now) = (try request[.token], request.now)
        guard TokenText.isSigned(text, with: try await TokenText.secret(in: keys.store)) else {
            throw HTTPFailure.conflict("Token was not made by this gate")
        }
        let digest = Credential.digest(of: text)
        guard let record = try await keys.credentials.records.read(CredentialRecord.id(of: digest)), let end = record.credential.expiresAt,
            now < end
        else {
            throw HTTPFailure.conflict("Token has expired")
        }
        let reason = try request[.revokeReason] ?? ""
        let audit = request.audit("Token revoked", ["fingerprint": digest, "reason": reason])
        let isNew = try await keys.credentials.revoke(record, at: now, reason: reason, Operation(audit: audit))
        guard isNew else { throw HTTPFailure.conflict("Token is already revoked") }
        return [
            "message": "Token revoked", "fingerprint": digest, "expiresAt": Timestamp.text(milliseconds: end),
            "revokedAt": Timestamp.text(milliseconds: now),
        ]
    }

    static let revokedTokens = Endpoint(
        .get, "/tokens/revoked", "List the tokens that are revoked and would not have expired yet; those that end first come first.",
        for: .atLeast(.viewer),
        answer: [
            "count": .integer.described("Of all of them; at most \(longestTokenList) are shown."),
            "entries": .list(of: CredentialRecord.revocation.schema),
        ],
        using: \.keys
    ) { request, keys in
        let now = request.now
        try await keys.credentials.records.trim(CredentialRecord.revoked, below: now)
        let found = try await keys.credentials.records.ids(in: CredentialRecord.revoked, from: now + 1, to: .max, count: longestTokenList)
        return ["count": found.total, "entries": try await keys.credentials.records.read(found.ids).map(CredentialRecord.revocation.json)]
    }

    private static let longestTokenList = 1000
}

extension CredentialRecord {
    fileprivate static let revocation = View<CredentialRecord>([
        .text("fingerprint", \.credential.digest), .time("expiresAt") { $0.credential.expiresAt ?? 0 },
        .time("revokedAt") { $0.revokedAt ?? 0 },
        .text("reason") { $0.revokeReason.isEmpty ? nil : $0.revokeReason },
    ])
}

extension Field where Value == Int {
    fileprivate static let ttl = Field(
        "ttl", .integer(1...CredentialRecord.longestLife), "Seconds that it lives."
    ).default(unlessNull: 3600)
}

extension Field where Value == [String] {
    fileprivate static let lentTools = Field(
        "allowedTools", .toolNames, "Tools that it may call, of those that the key may; empty for all."
    )
    .default([])
}

extension Field where Value == String? {
    fileprivate static let label = Field<String>("label", .text(upTo: 200), "What it is for.").optional
    fileprivate static let revokeReason = Field<String>("reason", .text(upTo: 500, rest: .cut), "Why, for the audit log.").optional
}

extension Field where Value == String {
    fileprivate static let token = Field(
        "token",
        .word(
            .string(1...ClientText.credential).described("Begins with \(Credential.Kind.token.prefix)."), isSecret: true,
            rule: "Must be a token, which begins with \(Credential.Kind.token.prefix)."
        ) { $0.utf8.count <= ClientText.credential && $0.utf8.starts(with: Credential.Kind.token.prefix.utf8) }, "The token.")
}
