// How many calls were compared with the schemas of their tools, on all nodes and for good.

/// The counts of the cluster; nodes add theirs once a second, so a node that dies loses what it has counted since.
package struct SchemaTotals: Sendable {
    /// Calls that were compared, and those of them that did not fit.
    package struct Counts: Sendable, Equatable {
        /// All that were compared.
        package var all = 0
        /// Those that did not fit.
        package var failed = 0

        package init(all: Int = 0, failed: Int = 0) { (self.all, self.failed) = (all, failed) }
    }

    private let store: any CommandStore

    package init(store: any CommandStore) { self.store = store }

    /// What adds to the counts; each is sent once.
    package static func commands(adding counts: Counts, keys: RedisKeys) -> [RedisCommand] {
        [("validations", counts.all), ("failures", counts.failed)].filter { $0.1 > 0 }.map { name, count in
            RedisCommand(once: "HINCRBY", keys.schemaTotals, name, String(count))
        }
    }

    /// The counts as they are.
    /// - Throws: why the store does not say.
    package func read() async throws -> Counts {
        let values = try await store.sendAll([
            RedisCommand("HGET", store.keys.schemaTotals, "validations"), RedisCommand("HGET", store.keys.schemaTotals, "failures"),
        ])
        return Counts(all: values[0].integer ?? 0, failed: values[1].integer ?? 0)
    }
}
