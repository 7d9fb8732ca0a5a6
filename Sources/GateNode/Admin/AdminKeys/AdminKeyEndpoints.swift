// /admin/keys: who administers (F-ADMIN-01 to 10). Super admins list, make and revoke admin keys; the bootstrap key replaces itself.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let listAdminKeys = Endpoint(
        .get, "/admin/keys", "List the admin keys, masked.", for: .atLeast(.superAdmin),
        answer: View<(Int, [ListedAdminKey])>([.integer("count", \.0), .list("keys", ListedAdminKey.view, \.1)]), using: \.admins
    ) { _, admins in
        let keys = try await admins.list().map { ListedAdminKey(key: $0.key, usedAt: $0.usedAt) }
        return (keys.count, keys)
    }

    static let createAdminKey = Endpoint(
        .post, "/admin/keys", "Make an admin key.", for: .atLeast(.superAdmin), body: [Field.adminKeyName, Field.adminRole],
        success: .created,
        answer: [
            "id": .string, "key": .string.described("The secret; it is never shown again."), "name": .string,
            "role": .choice(AdminRole.allCases.map(\.rawValue)), "createdAt": .time,
        ],
        audits: ["admin_key.created"], using: \.admins
    ) { request, admins in
        let (name, role, secret) = (try request[.adminKeyName], try request[.adminRole], "ak_" + RandomHex.digits(32))
        guard !name.isEmpty else { throw HTTPFailure.badRequest("Invalid name. Must not be empty.") }
        let key = AdminKeyEntry(
            id: "adm_" + RandomHex.digits(16), name: name, role: role, masked: Credential.longMask(secret), createdAt: request.now,
            createdBy: request.actor)
        let operation = Operation(audit: request.audit("Admin key created", facts(of: key)))
        try await admins.create(key, secret: secret, by: request.administrator, operation)
        return ["id": key.id, "key": secret, "name": name, "role": role, "createdAt": key.createdAt.map(Timestamp.text)]
    }

    static let revokeAdminKey = Endpoint(
        .post, "/admin/keys/revoke", "Revoke an admin key for good, on every node.", for: .atLeast(.superAdmin),
        body: [Field.revokedAdminKey], answer: View<(Bool, String)>([.flag("revoked", \.0), .text("id", \.1)]), failures: [.notFound],
        audits: ["admin_key.revoked"], using: \.admins
    ) { request, admins in
        let (reference, actor) = (try request[.revokedAdminKey], try request.administrator)
        let key = try await admins.target(reference, by: actor)
        try await admins.revoke(reference, by: actor, Operation(audit: request.audit("Admin key revoked", facts(of: key))))
        return (true, key.id)
    }

    static let rotateBootstrap = Endpoint(
        .post, "/admin/keys/rotate-bootstrap", "Replace the bootstrap key, which asks for it itself; the old one holds no more.",
        for: .atLeast(.superAdmin),
        answer: View<(Bool, String, String)>([
            .flag("rotated", \.0), .text("newKey", \.1).described("The secret; it is never shown again."), .text("message", \.2),
        ]),
        audits: ["admin_key.bootstrap_rotated"], using: \.admins
    ) { request, admins in
        let secret = "admin_" + RandomHex.digits(32)
        try await admins.rotate(
            request.administrator, to: secret, now: request.now,
            Operation(audit: request.audit("Bootstrap key replaced", ["keyMasked": Credential.longMask(secret)])))
        return (true, secret, "Bootstrap key replaced on every node. Store the new one now: it is not shown again.")
    }

    private static func facts(of key: AdminKeyEntry) -> KeyValuePairs<String, String> {
        ["id": key.id, "keyMasked": key.masked, "name": key.name, "role": key.role.rawValue]
    }
}

/// An admin key as lists show it.
private struct ListedAdminKey: Sendable {
    let key: AdminKeyEntry
    let usedAt: Int?

    static let view = View<ListedAdminKey>([
        .text("id", \.key.id), .text("key", \.key.masked), .text("name", \.key.name), .choice("role", \.key.role),
        .time("createdAt", \.key.createdAt).described("Null for the key that a node was started with."),
        .text("createdBy", \.key.createdBy), .flag("active", \.key.isActive),
        .time("lastUsedAt", \.usedAt).described("To the minute."),
    ])
}

extension AdminRole: JSONRepresentable {}

extension AdminKeyRefusal: PublicFailure {
    var failure: HTTPFailure {
        switch self {
        case .unknown: .notFound("Admin key not found")
        case .ambiguous: .badRequest("Several admin keys look so; give the id or the whole key")
        case .revoked: .badRequest("Admin key is already revoked")
        case .own: .badRequest("Cannot revoke your own admin key")
        case .lastSuperAdmin: .badRequest("Cannot revoke the last super_admin")
        case .full: .badRequest("There may be at most \(AdminKeyBook.capacity) admin keys; revoke one first")
        case .notHeld: .unauthorized("Invalid admin key")
        case .notBootstrap: HTTPFailure(.forbidden, "Only the bootstrap key may replace itself")
        }
    }
}

extension Field where Value == String {
    fileprivate static let adminKeyName = Field("name", .text(upTo: 500, rest: .cut), "What people call it.")
    fileprivate static let revokedAdminKey = Field(
        "key", .reference(upTo: 500, isSecret: true, rule: "Must be an admin key, its id or its mask."),
        "The admin key, its id, or its mask where only one has it.")
}

extension Field where Value == AdminRole {
    fileprivate static let adminRole = Field("role", .choice, "What it may do.").default(.admin)
}
