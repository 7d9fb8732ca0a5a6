// Credits are whole numbers, everywhere.

/// The bounds of credits: integers that Redis, Lua and JSON clients all keep exactly.
package enum Credits {
    /// The most that one operation may move (F-PRICE-12).
    package static let operationCeiling = 1_000_000_000
    /// The most that an account may hold: 2^53 - 1, beyond which a double skips integers.
    package static let balanceCeiling = 9_007_199_254_740_991
}

extension Int {
    /// A sum over accounts, each of which may hold `Credits.balanceCeiling`: a thousand of them together pass what an integer holds, and the
    /// sum then stays at the highest one; below 0 at the lowest.
    package func saturating(adding other: Int) -> Int {
        let (sum, isBeyond) = addingReportingOverflow(other)
        return isBeyond ? (other < 0 ? .min : .max) : sum
    }
}
