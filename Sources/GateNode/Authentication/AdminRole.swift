// What an administrator may do; each role may do all that the ones before it may.

/// The roles of F-ADMIN, lowest first.
enum AdminRole: String, Sendable, CaseIterable, Comparable {
    /// Reads.
    case viewer
    /// Reads and changes.
    case admin
    /// Also hands out admin keys.
    case superAdmin = "super_admin"

    static func < (left: AdminRole, right: AdminRole) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
