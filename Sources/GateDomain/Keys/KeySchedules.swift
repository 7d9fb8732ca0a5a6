// What is to be done with a key at a time that an operator has set (F-KEY-12).

/// The actions that wait for their time, of one key.
package struct KeySchedules: Sendable, Equatable {
    /// What is done.
    package enum Action: String, Sendable, CaseIterable {
        /// The key is revoked.
        case revoke
        /// The key is suspended until somebody resumes it.
        case suspend
        /// The key gets credits.
        case topup
    }

    /// One action.
    package struct Entry: Sendable, Equatable {
        /// `sched_`, the digits of its key's id, and eight of its own: whoever has it knows where it lies.
        package let id: String
        /// What is done.
        package let action: Action
        /// Credits of a top-up; 0 for other actions.
        package let credits: Int
        /// Milliseconds since 1970 of Redis TIME.
        package let executeAt: Int
        /// Milliseconds since 1970.
        package let createdAt: Int
        /// Whether a node has begun with it, so that nobody can take it back any more.
        package var isUnderWay: Bool

        package init(id: String, action: Action, credits: Int, executeAt: Int, createdAt: Int, isUnderWay: Bool = false) {
            self.id = id
            self.action = action
            self.credits = credits
            self.executeAt = executeAt
            self.createdAt = createdAt
            self.isUnderWay = isUnderWay
        }
    }

    /// The key's id.
    package let keyID: String
    /// The soonest first; at most `capacity`.
    package var entries: [Entry]
    package var version: Int

    /// Actions of one key that may wait (F-KEY-12).
    package static let capacity = 20
    /// What ids of records begin with; the digits of the key's id follow, so that they lie where the key does.
    package static let prefix = "schedules_"
    /// What ids of actions begin with.
    package static let entryPrefix = "sched_"

    /// - Parameter key: the key's id.
    package init(of key: String, entries: [Entry] = [], version: Int = 1) {
        keyID = key
        self.entries = entries
        self.version = version
    }

    /// Unlike that of any other key's.
    package var id: String { Self.id(of: keyID) }

    /// The id of a key's schedules. - Parameter key: the key's id.
    package static func id(of key: String) -> String { prefix + key.dropFirst(key.hasPrefix("key_") ? 4 : 0) }

    /// A new id for an action of a key.
    package static func makeEntryID(of key: String) -> String {
        entryPrefix + key.dropFirst(key.hasPrefix("key_") ? 4 : 0) + RandomHex.digits(8)
    }

    /// The key that an action is of; nil if the text is no id of one.
    package static func key(ofEntry id: String) -> String? {
        guard id.hasPrefix(entryPrefix), id.utf8.count == entryPrefix.utf8.count + 24 else { return nil }
        return "key_" + id.dropFirst(entryPrefix.count).dropLast(8)
    }
}
