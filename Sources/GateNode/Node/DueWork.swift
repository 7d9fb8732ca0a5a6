// Carries out what is due by Redis's time: schedules and expiries of keys, reservations that are over, transfers whose node has died on the way.

import ClusterState
import Logging
import ServiceLifecycle

/// Looks every second, on every node: there is no turn to lose, and what is seen to twice is done once.
struct DueWork: Service {
    /// What the log calls it.
    let name: String
    let clock: RedisClock
    let logger: Logger
    /// Does what is due at a time in milliseconds. What it could not do it finds again the next time.
    let seeToDue: @Sendable (_ now: Int) async throws -> Void

    private static let interval = Duration.seconds(1)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await seeToDue(clock.milliseconds)
                } catch {
                    logger.debug("\(name) wait for the store", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}
