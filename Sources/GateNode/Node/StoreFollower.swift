// Takes the node along when its store is moved (docs/redis.md, moving a store).

import ClusterState
import Logging
import ServiceLifecycle

/// Asks the store that is to be ten times a second whether it is the one by now, and goes over to it, once.
struct StoreFollower: Service {
    let store: RedisStore
    let feed: ChangeFeed
    let identity: NodeIdentity
    let logger: Logger

    private static let interval = Duration.milliseconds(100)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if await store.hasArrived(asked: identity.name) {
                    await store.moveOver()
                    feed.follow(store.connector)
                    logger.notice("the store has been moved, and this node with it", metadata: ["redis": "\(store.connector.description)"])
                }
                try? await Task.sleep(for: store.successor == nil ? .seconds(3600) : Self.interval)
            }
        }
    }
}
