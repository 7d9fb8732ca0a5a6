// What a check of a store may say of it.

/// Something that does not add up.
package struct StoreFinding: Sendable, Hashable {
    /// What is broken.
    package enum Rule: String, Sendable {
        /// Funded = balance + held + spent; a team has spent what its keys' shares say.
        case money
        /// What the record of calls says was charged is not more than what was spent.
        case usage
        /// Held is what the open reservations are of, and somebody ends them.
        case reservations
        /// Every open call belongs to a node that is there.
        case holds
        /// Every secret, alias, list and index points at a record, and every record stands in them.
        case names
        /// What lies there is what it should be.
        case form
    }

    /// What is broken of it.
    package let rule: Rule
    /// An id, or a name in Redis; never a secret.
    package let subject: String
    /// A whole sentence for the operator.
    package let sentence: String

    init(_ rule: Rule, _ subject: String, _ sentence: String) {
        (self.rule, self.subject, self.sentence) = (rule, subject, sentence)
    }

    /// The same of a later look, whatever numbers it tells.
    struct Place: Hashable {
        let rule: Rule
        let subject: String
    }

    var place: Place { Place(rule: rule, subject: subject) }
}

/// What a check has read and found.
package struct StoreReport: Sendable, Equatable {
    /// Names in Redis that were met.
    package internal(set) var names = 0
    /// Records of keys.
    package internal(set) var keys = 0
    /// Records of teams.
    package internal(set) var teams = 0
    /// Secrets, those that prove nothing any more among them.
    package internal(set) var credentials = 0
    /// Aliases of keys.
    package internal(set) var aliases = 0
    /// Calls that were open.
    package internal(set) var openCalls = 0
    /// Entries of the record of calls.
    package internal(set) var entries = 0
    /// Shards of the store.
    package internal(set) var shards = 1
    /// By subject; `most` at most.
    package internal(set) var findings: [StoreFinding] = []
    /// Whether it was ended early, because there are more findings than `most`.
    package internal(set) var isCut = false

    /// Findings that are told at most.
    package static let most = 1000
}
