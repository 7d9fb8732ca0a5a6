// A team: a second account that its keys' calls must pass too.

/// A team as every node sees it (F-TEAM-01 to F-TEAM-05).
package struct TeamRecord: Sendable, Equatable {
    /// `team_` and 16 hex digits.
    package var id: String
    /// At most 200 characters.
    package var name: String
    /// At most 1,000 characters.
    package var description: String
    /// Lifetime credits that the team may spend, 0 for no limit.
    package var budget: Int
    /// What its keys may do together a UTC day and month.
    package var quota: Quota
    /// At most 50, each name and value of at most 100 characters.
    package var tags: [String: String]
    /// Milliseconds since 1970.
    package var createdAt: Int
    /// The budget and quota of a team that is not are not asked.
    package var isActive: Bool
    package var version: Int

    package init(
        id: String, name: String, description: String = "", budget: Int = 0, quota: Quota = Quota(), tags: [String: String] = [:],
        createdAt: Int, isActive: Bool = true, version: Int = 1
    ) {
        self.id = id
        self.name = name
        self.description = description
        self.budget = budget
        self.quota = quota
        self.tags = tags
        self.createdAt = createdAt
        self.isActive = isActive
        self.version = version
    }
}
