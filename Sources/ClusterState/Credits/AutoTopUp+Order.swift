// How an admission is told of a key's automatic top-up.

import GateDomain

extension AutoTopUp {
    /// The argument of admit.lua: the numbers, and the entry that the audit log gets with the credits.
    /// - Parameter audit: the place of the audit stream in KEYS.
    func order(for key: KeyRecord, audit: Int) -> [UInt8] {
        let entry = AuditEntry(
            type: "key.auto_topped_up", actor: "system", message: "Credits added automatically",
            metadata: [("keyMasked", key.masked), ("keyId", key.id), ("name", key.name), ("creditsAdded", String(amount))])
        return Array("\(audit) \(threshold) \(amount) \(maxDaily) ".utf8) + entry.packed
    }
}
