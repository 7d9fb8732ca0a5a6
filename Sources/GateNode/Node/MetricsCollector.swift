// Gathers what the parts of the node measure, for the metrics page.

import ClusterState
import NIOCore

struct MetricsCollector: Sendable {
    private let node: Node
    private let loops: LoopContexts
    private let feed: ChangeFeed
    private let keys: KeyTotals
    private let backlog: WebhookBacklogReader

    init(node: Node, loops: LoopContexts, feed: ChangeFeed) {
        self.node = node
        self.loops = loops
        self.feed = feed
        keys = KeyTotals(node.keys)
        backlog = WebhookBacklogReader(node.webhooks.queue)
    }

    func collect() async -> NodeFigures {
        var figures = NodeFigures()
        figures.gate = await loops.meter()
        figures.redis = await node.store.meter()
        figures.storeServers = await node.store.servers()
        figures.failovers = node.store.failovers
        figures.feedGaps = feed.gaps
        figures.isFeedConnected = feed.isSubscribed
        figures.nodes = node.members.members
        figures.reapedCalls = node.members.reaped
        figures.inFlight = node.switches.inFlight
        for shard in 0..<node.store.keys.shards {
            for list in [node.store.keys.sessions(shard), node.store.keys.guestSessions(shard)] {
                figures.sessions += (try? await node.store.send(RedisCommand("ZCARD", list)).integer) ?? 0
            }
        }
        figures.queueDepths = ["settlements": figures.gate.settlementBacklog, "refused": figures.gate.refusedSettlements]
        figures.webhookEvents = node.webhooks.tally.events
        figures.keys = await keys.latest()
        figures.uptimeSeconds = Int((ContinuousClock.now - node.startedAt) / .seconds(1))
        figures.webhookBacklog = await backlog.latest()
        let readiness = await Readiness(node.switches, node.upstreams, node.storeProbe)
        (figures.isReady, figures.reach) = (readiness.isReady, readiness.reach)
        return figures
    }
}
