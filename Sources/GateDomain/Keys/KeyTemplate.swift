// What a key is made from where the request does not say it (F-TPL-01).

/// A template for new keys; keys that were made from it do not change with it.
package struct KeyTemplate: Sendable, Equatable {
    /// 1 to 50 letters, digits, hyphens or underscores; unlike that of any other.
    package var name: String
    /// At most 500 characters.
    package var description: String
    /// 1 to 10^9.
    package var credits: Int
    /// Which tools it may call.
    package var access: ToolAccess
    /// Nil leaves it to the gate.
    package var quota: Quota?
    /// At most 200; empty for everywhere.
    package var addresses: [AddressRange]
    /// Lifetime credits, 0 for no limit.
    package var spendingLimit: Int
    /// At most 50.
    package var tags: [String: String]
    /// 1 to 50 letters, digits or hyphens in lower case.
    package var namespace: String
    /// Seconds that a key lives, 0 for ever.
    package var life: Int
    /// Milliseconds since 1970.
    package var createdAt: Int
    /// Milliseconds since 1970.
    package var updatedAt: Int
    package var version: Int

    /// Templates that there may be (F-TPL-03).
    package static let capacity = 100

    package init(
        name: String, description: String = "", credits: Int = 100, access: ToolAccess = ToolAccess(), quota: Quota? = nil,
        addresses: [AddressRange] = [], spendingLimit: Int = 0, tags: [String: String] = [:], namespace: String = "default",
        life: Int = 0, createdAt: Int, updatedAt: Int, version: Int = 1
    ) {
        self.name = name
        self.description = description
        self.credits = credits
        self.access = access
        self.quota = quota
        self.addresses = addresses
        self.spendingLimit = spendingLimit
        self.tags = tags
        self.namespace = namespace
        self.life = life
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.version = version
    }
}

/// What people have written down about a key, the oldest first (F-KEY-11).
package struct KeyNotes: Sendable, Equatable {
    /// One note.
    package struct Note: Sendable, Equatable {
        /// Milliseconds since 1970.
        package let at: Int
        /// Who wrote it, in words for people.
        package let author: String
        /// One line of 1 to 1,000 characters.
        package let text: String

        package init(at: Int, author: String, text: String) {
            self.at = at
            self.author = author
            self.text = text
        }
    }

    /// `notes_` and the digits of the key's id, so that they lie where the key does.
    package let id: String
    /// At most 50.
    package var notes: [Note]
    package var version: Int

    /// Notes that a key may have.
    package static let capacity = 50

    /// None yet. - Parameter key: the key's id.
    package init(of key: String, notes: [Note] = [], version: Int = 1) {
        id = Self.id(of: key)
        self.notes = notes
        self.version = version
    }

    /// The id of a key's notes. - Parameter key: the key's id.
    package static func id(of key: String) -> String { "notes_" + key.dropFirst(key.hasPrefix("key_") ? 4 : 0) }
}
