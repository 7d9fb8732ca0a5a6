// Keeps what the node knows of its surroundings fresh: the switches of the cluster, the servers' tools.

import ClusterState
import MCPUpstream
import NIOCore
import ServiceLifecycle

/// Reads again and again, and at once when it is told that something has changed.
///
/// Invariant: each kind has one flag and a task of its own, so that none waits for another: a server that takes its time over its tools,
/// or announces new ones all the time, delays neither rules nor maintenance nor secrets.
struct Refresher: Service {
    /// What has to be read anew.
    enum Refresh: Sendable, CaseIterable {
        /// Every two seconds, even if nobody tells of a change (V22).
        case maintenance
        case tools
        /// The operator's rules have a newer version than this node judges by.
        case rules
        /// Redis may have been restarted empty: sessions need a secret that all nodes agree on, and admins the key that was shown.
        case secret
        /// Sessions that have ended, and keys that hold no more, for which something is kept here.
        case sessions

        /// Between two readings, however often they are asked for.
        fileprivate var pause: Duration {
            switch self {
            case .tools: .milliseconds(250)
            case .sessions: .seconds(1)
            case .maintenance, .rules, .secret: .zero
            }
        }
    }

    private let perform: @Sendable (Refresh) async -> Void
    /// Whether it is read without anybody asking.
    private let isDue: @Sendable (Refresh) -> Bool
    private let flags: [Refresh: (waiting: AsyncStream<Void>, raise: AsyncStream<Void>.Continuation)]

    private static let interval = Duration.seconds(2)

    init(node: Node, upkeep: SessionUpkeep, on loop: any EventLoop) {
        self.init(isDue: { refresh in
            switch refresh {
            // A server that has not said what it has may be there by now; one that was asked for an unknown tool may have got it.
            case .tools: node.upstreams.takeMiss() || !node.upstreams.isDiscovered
            case .sessions: upkeep.isDue
            case .maintenance, .rules, .secret: true
            }
        }) { refresh in
            switch refresh {
            case .sessions: await upkeep.look()
            case .maintenance: await node.maintenance.load()
            case .rules: await node.reload.follow()
            case .secret:
                try? await node.sessions.agree(in: node.store)
                try? await node.adminKeyWatch.look(in: node.store)
            case .tools: await node.upstreams.discover(on: loop)
            }
        }
    }

    init(isDue: @escaping @Sendable (Refresh) -> Bool, _ perform: @escaping @Sendable (Refresh) async -> Void) {
        self.perform = perform
        self.isDue = isDue
        flags = Refresh.allCases.reduce(into: [:]) { flags, refresh in
            let (waiting, raise) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            flags[refresh] = (waiting, raise)
        }
    }

    /// Asks for a reading that begins after this; requests that meet a raised flag are as good as one.
    func request(_ refresh: Refresh) { flags[refresh]?.raise.yield() }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for (refresh, flag) in flags {
                    group.addTask {
                        for await _ in flag.waiting {
                            await perform(refresh)
                            if refresh.pause > .zero { try? await Task.sleep(for: refresh.pause) }
                        }
                    }
                }
                group.addTask { await tick() }
            }
        }
    }

    private func tick() async {
        while !Task.isCancelled {
            for refresh in Refresh.allCases where isDue(refresh) { request(refresh) }
            try? await Task.sleep(for: Self.interval)
        }
    }
}
