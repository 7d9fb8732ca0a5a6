// What is known of a key: who acts, in which state, and what it may do. The secret that proves it is not part of it.

/// A key as every node sees it; a snapshot that carries the version it was read at.
///
/// Invariant: a decision made by this snapshot is carried out only if Redis still holds the same `version`
/// (V21 to V23).
package struct KeyRecord: Sendable, Equatable {
    /// `key_` and 16 hex digits; stable over rotations, not a secret.
    package var id: String
    package var name: String
    /// The first 10 characters of the credential and `...` (F-KEY-02).
    package var prefix: String
    /// The first 7 and the last 4 characters of the credential (F-KEY-03).
    package var masked: String
    /// Milliseconds since 1970.
    package var createdAt: Int
    package var state: KeyState
    /// Milliseconds since 1970 of Redis TIME; nil means never (F-KEY-08).
    package var expiresAt: Int?
    /// Lifetime credits that may be spent, 0 for no limit (F-CREDIT-11).
    package var spendingLimit: Int
    package var access: ToolAccess
    package var addresses: [AddressRange]
    package var tags: [String: String]
    package var namespace: String
    package var alias: String?
    /// The team whose budget and quota its calls must pass too; nil for none.
    package var teamID: String?
    /// Its own quota; nil leaves it to its group or to the gate (F-QUOTA-03).
    package var quota: Quota?
    /// Why it was suspended, as the operator said; at most 500 characters.
    package var suspendReason: String
    package var version: Int

    package init(
        id: String, name: String, prefix: String, masked: String, createdAt: Int, state: KeyState = .active,
        expiresAt: Int? = nil, spendingLimit: Int = 0, access: ToolAccess = ToolAccess(), addresses: [AddressRange] = [],
        tags: [String: String] = [:], namespace: String = "default", alias: String? = nil, teamID: String? = nil,
        quota: Quota? = nil, suspendReason: String = "", version: Int = 1
    ) {
        self.id = id
        self.name = name
        self.prefix = prefix
        self.masked = masked
        self.createdAt = createdAt
        self.state = state
        self.expiresAt = expiresAt
        self.spendingLimit = spendingLimit
        self.access = access
        self.addresses = addresses
        self.tags = tags
        self.namespace = namespace
        self.alias = alias
        self.teamID = teamID
        self.quota = quota
        self.suspendReason = suspendReason
        self.version = version
    }

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    package func isExpired(at now: Int) -> Bool {
        expiresAt.map { now >= $0 } ?? false
    }
}

/// The states an operator puts a key in; *expired* is not one of them, it follows from the time (F-KEY-05).
package enum KeyState: String, Sendable, CaseIterable {
    case active
    case suspended
    case revoked
}
