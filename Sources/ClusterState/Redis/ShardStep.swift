// What a step over all shards has come to, where one that is away stops none of the others.

/// The outcome of a step that sees to every shard: what it leaves to do, also where one of them is away.
package struct ShardStep<Left: Sendable>: Sendable {
    /// What there is to do next, as far as shards were reached.
    package var left: Left
    /// What is known of a shard that is away; nil where all have been seen to.
    package var failure: (any Error)?

    /// What is left to do where all have been seen to.
    /// - Throws: the failure.
    package func get() throws -> Left {
        if let failure { throw failure }
        return left
    }
}
