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
    package var name: String { name(of: incarnation.load(ordering: .acquiring)) }

    private func name(of count: Int) -> String { count == 0 ? base : "\(base)+\(count)" }

    /// The name that a node began with, of one that it has had later.
    package static func base(of name: String) -> String { String(name.prefix { $0 != "+" }) }

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

    /// Goes on under the next name, which `register` makes one that may open holds before anything is opened by it: nothing waits.
    /// - Returns: the name that it had; nil where it keeps that, or has been given another one meanwhile.
    package func succeed(registering register: (String) async -> Bool) async -> String? {
        let count = incarnation.load(ordering: .acquiring)
        guard mayOpenHolds, !needsNewName, await register(name(of: count + 1)), !needsNewName,
            incarnation.compareExchange(expected: count, desired: count + 1, ordering: .acquiringAndReleasing).exchanged
        else { return nil }
        return name(of: count)
    }

    /// Goes on under the next name, which has to be registered before anything is opened by it.
    package func takeNewName() {
        isRegistered.store(false, ordering: .releasing)
        incarnation.add(1, ordering: .acquiringAndReleasing)
        isFenced.store(false, ordering: .releasing)
    }
}
