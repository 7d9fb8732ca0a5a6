// Keeps what the node knows of its surroundings fresh: the switches of the cluster, the reach of the store, the servers' tools.

import ClusterState
import NIOCore
import ServiceLifecycle

/// Reads again and again, and at once when it is told that something has changed.
struct Upkeep: Service {
    /// What has to be read anew.
    enum Chore: Sendable {
        /// The reach of the store: every half second.
        case store
        case maintenance
        case tools
    }

    private let node: Node
    private let loop: any EventLoop
    private let chores: AsyncStream<Chore>
    private let requests: AsyncStream<Chore>.Continuation

    private static let interval = Duration.milliseconds(500)
    /// Maintenance is read this many intervals apart even if nobody tells of a change (V22).
    private static let patience = 4

    init(node: Node, on loop: any EventLoop) {
        self.node = node
        self.loop = loop
        (chores, requests) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8))
    }

    /// Asks for a reading soon; more requests than can wait are as good as one.
    func request(_ chore: Chore) { requests.yield(chore) }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await tick() }
                for await chore in chores { await perform(chore) }
            }
        }
    }

    private func tick() async {
        var round = 0
        while !Task.isCancelled {
            requests.yield(.store)
            if round % Self.patience == 0 { requests.yield(.maintenance) }
            round += 1
            try? await Task.sleep(for: Self.interval)
        }
        requests.finish()
    }

    private func perform(_ chore: Chore) async {
        switch chore {
        case .store: node.switches.isStoreLost = await !node.store.isReachable
        case .maintenance: await Maintenance.load(node)
        case .tools: await node.upstreams.discover(on: loop)
        }
    }
}
