// Keeps what the node knows of its surroundings fresh: the switches of the cluster, the servers' tools.

import ClusterState
import MCPUpstream
import NIOCore
import ServiceLifecycle

/// Reads again and again, and at once when it is told that something has changed.
struct Refresher: Service {
    /// What has to be read anew.
    enum Refresh: Sendable {
        /// Every two seconds, even if nobody tells of a change (V22).
        case maintenance
        case tools
        /// The operator's rules have a newer version than this node judges by.
        case rules
        /// Redis may have been restarted empty: sessions need a secret that all nodes agree on.
        case secret
    }

    private let node: Node
    private let loop: any EventLoop
    private let refreshes: AsyncStream<Refresh>
    private let requests: AsyncStream<Refresh>.Continuation

    private static let interval = Duration.seconds(2)

    init(node: Node, on loop: any EventLoop) {
        self.node = node
        self.loop = loop
        (refreshes, requests) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8))
    }

    /// Asks for a reading soon; more requests than can wait are as good as one.
    func request(_ refresh: Refresh) { requests.yield(refresh) }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await tick() }
                for await refresh in refreshes { await perform(refresh) }
            }
        }
    }

    private func tick() async {
        while !Task.isCancelled {
            requests.yield(.maintenance)
            requests.yield(.rules)
            requests.yield(.secret)
            try? await Task.sleep(for: Self.interval)
        }
        requests.finish()
    }

    private func perform(_ refresh: Refresh) async {
        switch refresh {
        case .maintenance: await node.maintenance.load()
        case .rules: await node.reload.follow()
        case .secret: try? await node.sessions.agree(in: node.store)
        case .tools: await node.upstreams.discover(on: loop)
        }
    }
}
