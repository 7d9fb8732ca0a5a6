// After a failover: what the new primary has open and this node has long ended is found, and resolved as unknown (docs/consistency.md).

import ClusterState
import ServiceLifecycle

/// Lets the node go on under a new name some seconds after each failover, and leaves the old one when nothing is open under it any more, as
/// far as the node knows: what the store still has open there is of settlements that were lost with the old primary.
struct NameSuccession: Service {
    let store: RedisStore
    let members: Membership
    let loops: LoopContexts

    private static let interval = Duration.milliseconds(500)
    /// For questions that are under way to be asked again under the name that they have.
    private static let settling = Duration.seconds(3)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var (seen, changedAt) = (store.failovers, ContinuousClock.now)
            var isDue = false
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                if store.failovers != seen { (seen, changedAt, isDue) = (store.failovers, .now, true) }
                guard ContinuousClock.now - changedAt > Self.settling else { continue }
                if isDue {
                    if await members.goOn() { (changedAt, isDue) = (.now, false) }
                    continue
                }
                for name in members.formerNames where await loops.hasLeft(name) { await members.leave(former: name) }
            }
        }
    }
}
