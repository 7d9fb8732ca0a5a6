// What is known of a key: who acts, in which state, and what it may do. The secret that proves it is not part of it.

/// A key as every node sees it; a snapshot that carries the version it was read at.
///
/// Invariant: a decision made by this snapshot is carried out only if Redis still holds the same `version`
/// (V21 to V23).
package struct KeyRecord: Sendable, Equatable {
    /// `key_` and 16 hex digits; stable over rotations, not a secret.
    package var id: String
    /// What people call it; at most 200 characters (F-KEY-14).
    package var name: String
    /// The first 10 characters of the credential and `...` (F-KEY-02).
    package var prefix: String
    /// The first 7 and the last 4 characters of the credential (F-KEY-03).
    package var masked: String
    /// Milliseconds since 1970.
    package var createdAt: Int
    /// As an operator has put it; expiry is not among the states.
    package var state: KeyState
    /// Milliseconds since 1970 of Redis TIME; nil means never (F-KEY-08).
    package var expiresAt: Int?
    /// The expiry that everybody has been told of since it has come; nil before the first one.
    package var toldExpiry: Int?
    /// The last warning before an expiry that everybody was told of; nil before the first one.
    package var warnedExpiry: ExpiryNotice?
    /// Lifetime credits that may be spent, 0 for no limit (F-CREDIT-11).
    package var spendingLimit: Int
    /// Which tools it may call.
    package var access: ToolAccess
    /// From where it may call; empty for everywhere, at most 200 (F-IP-04).
    package var addresses: [AddressRange]
    /// From which countries it may call (F-GEO-01).
    package var countries: CountryAccess
    /// At most 50, each name and value of at most 100 characters (F-KEY-13).
    package var tags: [String: String]
    /// 1 to 50 letters, digits or hyphens in lower case; `default` where nobody said (F-NS-01).
    package var namespace: String
    /// Another name of it in admin requests, 1 to 100 letters, digits, hyphens or underscores; proves nothing (F-ALIAS-02).
    package var alias: String?
    /// The team whose budget and quota its calls must pass too; nil for none.
    package var teamID: String?
    /// Its own quota; nil leaves it to its group or to the gate (F-QUOTA-03).
    package var quota: Quota?
    /// What is added to its balance by itself when that falls low; nil for nothing (F-CREDIT-09).
    package var autoTopUp: AutoTopUp?
    /// Why it was suspended, as the operator said; at most 500 characters.
    package var suspendReason: String
    /// The SHA-256 of the secret that proves it since it was rotated, in hex digits; nil for the one that it was made with.
    package var credential: String?
    package var version: Int

    package init(
        id: String, name: String, prefix: String, masked: String, createdAt: Int, state: KeyState = .active,
        expiresAt: Int? = nil, spendingLimit: Int = 0, access: ToolAccess = ToolAccess(), addresses: [AddressRange] = [],
        countries: CountryAccess = CountryAccess(), tags: [String: String] = [:], namespace: String = "default", alias: String? = nil,
        teamID: String? = nil,
        quota: Quota? = nil, autoTopUp: AutoTopUp? = nil, suspendReason: String = "", credential: String? = nil, toldExpiry: Int? = nil,
        warnedExpiry: ExpiryNotice? = nil, version: Int = 1
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
        self.countries = countries
        self.tags = tags
        self.namespace = namespace
        self.alias = alias
        self.teamID = teamID
        self.quota = quota
        self.autoTopUp = autoTopUp
        self.suspendReason = suspendReason
        self.credential = credential
        self.toldExpiry = toldExpiry
        self.warnedExpiry = warnedExpiry
        self.version = version
    }

    /// Whether a secret that is known to be this key's, or to have been, proves it still (F-KEY-06): the record decides, so a rotation takes
    /// effect in the step that changes it. - Parameter digest: SHA-256 in hex digits.
    package func isProved(by digest: String) -> Bool {
        credential.map { $0.hasSameBytes(as: digest) } ?? true
    }

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    package func isExpired(at now: Int) -> Bool {
        expiresAt.map { now >= $0 } ?? false
    }
}

/// That a key will have run out of its time soon.
package struct ExpiryNotice: Sendable, Equatable {
    /// Milliseconds since 1970.
    package let expiry: Int
    /// Seconds before it.
    package let threshold: Int

    package init(expiry: Int, threshold: Int) {
        (self.expiry, self.threshold) = (expiry, threshold)
    }
}

/// The states an operator puts a key in; *expired* is not one of them, it follows from the time (F-KEY-05).
package enum KeyState: String, Sendable, CaseIterable {
    /// It may call.
    case active
    /// It may not call until an operator resumes it; all else about it goes on working.
    case suspended
    /// Gone for good.
    case revoked
}
