// Carries out what is scheduled for keys when its time has come, and tells which keys have run out of theirs.

import ClusterState
import Logging
import ServiceLifecycle

/// Looks every second, on every node: there is no turn to lose, and what is seen to twice is done once.
struct DueSchedules: Service {
    let schedules: Schedules
    let expiries: Expiries
    let clock: RedisClock
    let logger: Logger

    private static let interval = Duration.seconds(1)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do throws(RecordRefusal) {
                    try await schedules.seeToDue(at: clock.milliseconds)
                    while try await expiries.tell(at: clock.milliseconds), !Task.isCancelled {}
                } catch {
                    logger.debug("schedules of keys wait for the store", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}
