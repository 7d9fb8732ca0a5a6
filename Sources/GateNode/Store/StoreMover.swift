// `gate-node store move`: opens both stores, moves the one into the other, and tells what was done.

import ClusterState
package import GateDomain
package import GateSettings
import MCPWire
import NIOCore
import NIOPosix

/// Moves a store from outside of any node.
package enum StoreMover {
    /// Moves the store of `redisUrl` to `redisTo`, while nodes serve that have been given both.
    /// - Parameter progress: told after every page.
    /// - Returns: what was done, for people and as JSON.
    /// - Throws: what keeps it from being moved, in a sentence.
    package static func move(
        _ settings: Settings, progress: @escaping @Sendable (StoreProgress) -> Void
    ) async throws(StartupFailure) -> (line: String, json: String) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome = await outcome(settings, group.next(), progress)
        try? await group.shutdownGracefully()
        let report = try outcome.get()
        let milliseconds = Int(report.closed / .milliseconds(1))
        let line =
            report.wasMoved
            ? "It had been moved before; the old store takes no writes."
            : "Moved: \(report.copied) names copied, accounts compared \(report.compared) times, all the same; closed for \(milliseconds) ms. The old store takes no writes any more."
        let json: JSONValue = [
            "moved": .bool(true), "before": .bool(report.wasMoved), "copied": .int(Int64(report.copied)),
            "compared": .int(Int64(report.compared)), "closedMs": .int(Int64(milliseconds)),
        ]
        return (line, json.text)
    }

    private static func outcome(
        _ settings: Settings, _ loop: any EventLoop, _ progress: @escaping @Sendable (StoreProgress) -> Void
    ) async -> Result<StoreMoveReport, StartupFailure> {
        do throws(StartupFailure) {
            guard let source = settings.redisUrl, let goal = settings.redisTo else { throw OpenStore.unnamed }
            let from = try await OpenStore.visit(source, settings, loop)
            let (_, own) = try SharedRedis.target(goal, settings)
            let result = await moved(from, goal, own, loop, progress)
            await from.close()
            return result
        } catch {
            return .failure(error)
        }
    }

    private static func moved(
        _ from: StoreVisit, _ goal: String, _ settings: Settings, _ loop: any EventLoop,
        _ progress: @escaping @Sendable (StoreProgress) -> Void
    ) async -> Result<StoreMoveReport, StartupFailure> {
        do {
            let first = try await OpenStore.connect(goal, settings, loop, isRead: false)
            await first.hangUp()
            let to = first.under(RedisKeys(prefix: from.keys.prefix, database: first.keys.database, shards: from.keys.shards))
            let result: Result<StoreMoveReport, StartupFailure>
            do {
                guard from.keys.database == to.keys.database else {
                    throw StartupFailure(
                        "The store was not moved: the two stores have different databases; a store keeps its number.",
                        status: .storeUnavailable)
                }
                result = .success(try await StoreMove(from: from, to: to, progress: progress).run())
            } catch {
                result = .failure(OpenStore.failure(error, "The store was not moved"))
            }
            await to.close()
            return result
        } catch {
            return .failure(OpenStore.failure(error, "The store was not moved"))
        }
    }
}
