// Under which name a node opens holds: a new one each time that it was taken for dead.

import Synchronization

/// A node's name. Whoever finds a node dead shuts its name out of every shard; should it live after all, it goes on under the next one.
///
/// Invariant: holds are opened only under a name that is on the list of nodes and registered in their shard, so every open hold is found
/// by whoever finds its node dead.
package final class NodeIdentity: Sendable {
    /// Random for each start.
    package let base: String
    private let incarnation = Atomic<Int>(0)
    private let isFenced = Atomic<Bool>(false)
    private let isRegistered = Atomic<Bool>(false)

    package init(base: String) {
        self.base = base
    }

    /// The name of the present incarnation.
    package var name: String {
        let count = incarnation.load(ordering: .acquiring)
        return count == 0 ? base : "\(base)+\(count)"
    }

    /// Somebody has refused `name`: it has to be given up.
    package func wasFenced(_ name: String) {
        guard name == self.name else { return }
        isRegistered.store(false, ordering: .releasing)
        isFenced.store(true, ordering: .releasing)
    }

    /// Every shard lets the name open holds.
    package func wasRegistered(_ name: String) {
        if name == self.name, !needsNewName { isRegistered.store(true, ordering: .releasing) }
    }

    /// Whether holds may be opened under the name.
    package var mayOpenHolds: Bool { isRegistered.load(ordering: .acquiring) }

    /// Whether others have shut the present name out: it opens nothing any more.
    package var needsNewName: Bool { isFenced.load(ordering: .acquiring) }

    /// Goes on under the next name, which has to be registered before anything is opened by it.
    package func takeNewName() {
        isRegistered.store(false, ordering: .releasing)
        incarnation.add(1, ordering: .acquiringAndReleasing)
        isFenced.store(false, ordering: .releasing)
    }
}
