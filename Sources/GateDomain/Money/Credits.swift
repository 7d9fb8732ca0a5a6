// Credits are whole numbers, everywhere.

/// The bounds of credits: integers that Redis, Lua and JSON clients all keep exactly.
package enum Credits {
    /// The most that one operation may move (F-PRICE-12).
    package static let operationCeiling = 1_000_000_000
    /// The most that an account may be given in its life, what it has spent included: so no sum of it comes to 2^53, beyond which a double
    /// skips integers, also when transfers come back that have left it before it was filled up.
    package static let balanceCeiling = 9_000_000_000_000_000
    /// What is said where an account would be given more.
    package static let ceilingRule =
        "An account takes at most \(balanceCeiling) credits in its life, spent ones included; give what is more to another key"
}

extension Int {
    /// A sum over accounts, each of which may hold `Credits.balanceCeiling`: a thousand of them together pass what an integer holds, and the
    /// sum then stays at the highest one; below 0 at the lowest.
    package func saturating(adding other: Int) -> Int {
        let (sum, isBeyond) = addingReportingOverflow(other)
        return isBeyond ? (other < 0 ? .min : .max) : sum
    }
}
