// Keeps the node's switches as the cluster has them.

import ClusterState
import ServiceLifecycle

/// Reads maintenance mode and the reach of the store again and again, and when the feed tells of a change.
struct Upkeep: Service {
    let node: Node

    private static let interval = Duration.milliseconds(500)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var round = 0
            while !Task.isCancelled {
                node.switches.isStoreLost = await !node.store.isReachable
                if round % 4 == 0 { await Maintenance.load(node) }
                round += 1
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// Owned by nobody: one read that ends within the store's own deadline.
    static func refresh(_ node: Node) {
        Task { await Maintenance.load(node) }
    }
}
