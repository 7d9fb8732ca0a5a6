// Sees to reservations whose time is over, and to transfers whose node has died on the way.

import ClusterState
import Logging
import ServiceLifecycle

/// Looks every second, on every node: there is no turn to lose, and what is seen to twice is done once.
struct DueCredits: Service {
    let transfers: Transfers
    let clock: RedisClock
    let logger: Logger

    private static let interval = Duration.seconds(1)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do throws(StoreFailure) {
                    try await transfers.seeToDue(at: clock.milliseconds)
                } catch {
                    logger.debug("reservations wait for the store", metadata: ["error": "\(error.sentence)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}
