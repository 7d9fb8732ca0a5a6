// One change by an admin: its id, what the audit log says of it, and why it may be refused.

import GateDomain

/// Who did what to what, written with the change itself (F-AUDIT-06).
package struct AuditEntry: Sendable {
    /// As `key.created`; one of those that the endpoint declares.
    package let type: String
    /// Who did it, in words for people; never a secret.
    package let actor: String
    /// One sentence for people.
    package let message: String
    /// Pairs for people; never a secret.
    package let metadata: [(String, String)]
    /// Entries that the audit stream of a shard keeps, about.
    package static let retained = 10_000

    package init(type: String, actor: String, message: String, metadata: [(String, String)]) {
        self.type = type
        self.actor = actor
        self.message = message
        self.metadata = metadata
    }

    /// Nothing: for a step of a change that another step of it tells.
    package static let untold = AuditEntry(type: "", actor: "", message: "", metadata: [])

    /// Tagged fields behind a format number; metadata names carry a dot before them. Empty for a change that is not told.
    package var packed: [UInt8] {
        if type.isEmpty { return [] }
        var fields = PackedFields(format: 1)
        fields.append("t", type)
        fields.append("a", actor)
        fields.append("m", message)
        for (name, value) in metadata { fields.append(name: "." + name, value) }
        return fields.bytes
    }
}

/// One operation of an admin: it is carried out once, however often it is sent (M12, V23).
package struct Operation: Sendable {
    /// Unique; of the client's choosing or random.
    package let id: String
    /// What is asked, so that one id is never used for two things.
    package let fingerprint: String
    /// What the audit log says of it.
    package let audit: AuditEntry
    /// Milliseconds for which its id is remembered.
    package static let retention = 48 * 3_600_000

    /// - Parameter id: nil makes a random one, for changes that nobody repeats but this node.
    package init(id: String? = nil, fingerprint: String = "", audit: AuditEntry) {
        self.id = id ?? RandomHex.digits(24)
        self.fingerprint = fingerprint
        self.audit = audit
    }
}

extension RedisCommand {
    /// Adds the four words that every script reads which carries an operation out and notes it.
    /// - Parameters:
    ///   - audit: a packed entry, empty where nothing is noted.
    ///   - retention: milliseconds for which the operation's id is remembered.
    mutating func append(operation fingerprint: String, audit: [UInt8], retention: Int = Operation.retention) {
        append(fingerprint)
        append(retention)
        append(audit)
        append(AuditEntry.retained)
    }
}

/// Why a mutation was not carried out; nothing has changed.
package enum RecordRefusal: Error, Sendable, Equatable {
    /// There is no such record.
    case missing
    /// The state that the key is in does not allow it: `suspended`, `revoked`, `expired`, `active`.
    case state(String)
    /// The secret belongs to another key.
    case credentialExists
    /// The alias belongs to another key, or is the id of one.
    case aliasTaken
    /// One text would be the alias of a key and the secret of this one or of another.
    case aliasIsSecret
    /// The operation's id was used for something else.
    case operationReused
    /// The account would be given more than it may be (`Credits.balanceCeiling`).
    case aboveCeiling
    /// Others kept changing it.
    case contended
    /// Redis did not answer as it should; `StoreFailure` says whether the change may have been made.
    case store(StoreFailure)

    /// There are as many as there may be.
    package static let full = RecordRefusal.state("full")
    /// An answer that the script does not give.
    static let unexpected = RecordRefusal.store(.fault("an answer that belongs to no script"))
}
