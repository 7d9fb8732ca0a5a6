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
        let record = ScopedToken(
            digest: KeyCache.digest(token.text), keyID: key.id, allowed: tools, label: label ?? "", createdAt: now, expiresAt: end)
        let audit = request.audit(
            "Token created", of: key,
            ["fingerprint": record.fingerprint, "ttl": String(ttl), "tools": String(tools.count), "label": label ?? ""])
        try await keys.tokens.create(record, Operation(audit: audit))
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
        guard let token = try await keys.tokens.read(ScopedToken.id(of: KeyCache.digest(text))), !token.isExpired(at: now) else {
            throw HTTPFailure.conflict("Token has expired")
        }
        let reason = try request[.revokeReason] ?? ""
        let audit = request.audit("Token revoked", ["fingerprint": token.fingerprint, "reason": reason])
        let isNew = try await keys.revoke(token, at: now, reason: reason, Operation(audit: audit))
        guard isNew else { throw HTTPFailure.conflict("Token is already revoked") }
        return [
            "message": "Token revoked", "fingerprint": token.fingerprint, "expiresAt": Timestamp.text(milliseconds: token.expiresAt),
            "revokedAt": Timestamp.text(milliseconds: now),
        ]
    }

    static let revokedTokens = Endpoint(
        .get, "/tokens/revoked", "List the tokens that are revoked and would not have expired yet; those that end first come first.",
        for: .atLeast(.viewer),
        answer: [
            "count": .integer.described("Of all of them; at most \(longestTokenList) are shown."),
            "entries": .list(of: ScopedToken.revocation.schema),
        ],
        using: \.keys
    ) { request, keys in
        let now = request.now
        try await keys.tokens.trim(ScopedToken.revoked, below: now)
        let found = try await keys.tokens.ids(in: ScopedToken.revoked, from: now + 1, to: .max, count: longestTokenList)
        return ["count": found.total, "entries": try await keys.tokens.read(found.ids).map(ScopedToken.revocation.json)]
    }

    private static let longestTokenList = 1000
}

extension KeyDirectory {
    /// Revokes a token, and then makes what was judged by its key stale, so that no node lets anything pass by what it remembers of the token.
    /// The second is done however often it is asked for: who was cut short between the two asks again.
    /// - Returns: false if it was revoked before.
    /// - Throws: `missing` if it has ended meanwhile, `contended` or `store`.
    fileprivate func revoke(_ token: ScopedToken, at now: Int, reason: String, _ operation: Operation) async throws(RecordRefusal) -> Bool {
        let isNew: Bool
        do {
            _ = try await mark(token.id, at: now, reason: reason, operation)
            isNew = true
        } catch {
            guard error == .state(Self.revokedBefore) else { throw error }
            isNew = false
        }
        do {
            _ = try await records.edit(token.keyID, Operation(audit: .untold)) { (_) throws(RecordRefusal) in }
        } catch {
            // A key that is gone lends nothing.
            if error != .missing { throw error }
        }
        return isNew
    }

    private static let revokedBefore = "revoked before"

    private func mark(_ id: String, at now: Int, reason: String, _ operation: Operation) async throws(RecordRefusal) -> ScopedToken {
        try await tokens.edit(id, operation) { (token) throws(RecordRefusal) in
            guard token.revokedAt == nil else { throw .state(Self.revokedBefore) }
            (token.revokedAt, token.revokeReason) = (now, reason)
        }
    }
}

extension ScopedToken {
    fileprivate static let revocation = View<ScopedToken>([
        .text("fingerprint", \.fingerprint), .time("expiresAt", \.expiresAt), .time("revokedAt") { $0.revokedAt ?? 0 },
        .text("reason") { $0.revokeReason.isEmpty ? nil : $0.revokeReason },
    ])
}

extension Field where Value == Int {
    fileprivate static let ttl = Field(
        "ttl", .integer(1...ScopedToken.longestLife), "Seconds that it lives."
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
            .string(1...ClientText.credential).described("Begins with \(ScopedToken.prefix)."), isSecret: true,
            rule: "Must be a token, which begins with \(ScopedToken.prefix)."
        ) { $0.utf8.count <= ClientText.credential && $0.utf8.starts(with: ScopedToken.prefix.utf8) }, "The token.")
}
