// How much of the store a node can write to.

/// Found by writing to each shard's server.
package struct StoreReach: Sendable, Equatable {
    /// Shards of the store; 1 at least.
    package let shards: Int
    /// Those whose server takes writes of every event loop of the node; 0 to `shards`.
    package let served: Int

    package init(shards: Int, served: Int) {
        self.shards = shards
        self.served = served
    }

    /// Whether calls of some shards are served, and those of others are not.
    package var isDegraded: Bool { 0 < served && served < shards }
}
