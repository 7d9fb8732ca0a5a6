// One cluster for all tests of a suite: starting the nodes takes longer than most of what is asked of them.

import GateTesting
import Testing

/// Starts the cluster before the first test of the suite and ends it after the last one.
struct SharedCluster: SuiteTrait, TestScoping {
    let run: @Sendable (@Sendable (GateCluster) async throws -> Void) async throws -> Void

    @TaskLocal private static var current: GateCluster?

    /// The cluster of the suite that the running test belongs to.
    static var cluster: GateCluster {
        get throws {
            guard let current else { throw KitFailure("the suite has no cluster") }
            return current
        }
    }

    func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void) async throws {
        try await run { cluster in
            try await Self.$current.withValue(cluster) { try await function() }
        }
    }
}

extension Trait where Self == SharedCluster {
    /// Nodes with these flags in front of an upstream; see `GateCluster.run`.
    static func cluster(nodes: Int = 1, _ flags: [String] = [], upstream: Upstream = .demo, config: JSON? = nil) -> Self {
        SharedCluster { try await GateCluster.run(nodes: nodes, flags, upstream: upstream, config: config, $0) }
    }

    /// Nodes in front of an upstream that has to be prepared.
    static func cluster(_ run: @escaping @Sendable (@Sendable (GateCluster) async throws -> Void) async throws -> Void) -> Self {
        SharedCluster(run: run)
    }
}
