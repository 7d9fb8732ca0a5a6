// Keeps the hourly sums of calls up with the log.

import ClusterState
import Logging
import ServiceLifecycle

/// Adds what is new in the log to the sums, page by page, whenever it is this node's turn.
struct RollupService: Service {
    let rollups: Rollups
    let node: String
    let logger: Logger

    /// Between two looks at a log that has nothing new.
    private static let interval = Duration.milliseconds(500)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var hasMore = false
                do {
                    if try await rollups.hasTurn(node) { hasMore = try await rollups.advance() }
                } catch {
                    // The log is read on from where it stands when the store is there again.
                    logger.debug("the hourly sums wait for the store", metadata: ["error": "\(error)"])
                }
                if !hasMore { try? await Task.sleep(for: Self.interval) }
            }
        }
    }
}
