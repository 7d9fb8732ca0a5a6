// `gate-node store check`: opens the store that the settings name, reads all of it, and closes it again.

import ClusterState
package import GateDomain
package import GateSettings
import Logging
import NIOCore
import NIOPosix

/// Looks at a store from outside of any node.
package enum StoreAudit {
    /// Reads all of the store of `redisUrl`; nodes may serve meanwhile.
    /// - Parameter progress: told after every page.
    /// - Throws: what keeps the store from being read, in a sentence.
    package static func check(
        _ settings: Settings, progress: @escaping @Sendable (StoreProgress) -> Void
    ) async throws(StartupFailure) -> StoreVerdictText {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome = await outcome(settings, group.next(), progress)
        try? await group.shutdownGracefully()
        return StoreVerdictText(try outcome.get())
    }

    private static func outcome(
        _ settings: Settings, _ loop: any EventLoop, _ progress: @escaping @Sendable (StoreProgress) -> Void
    ) async -> Result<StoreReport, StartupFailure> {
        do throws(StartupFailure) {
            guard let text = settings.redisUrl else { throw OpenStore.unnamed }
            let reader = try await OpenStore.visit(text, settings, loop)
            let result = await read(reader, progress)
            await reader.close()
            return result
        } catch {
            return .failure(error)
        }
    }

    private static func read(_ reader: StoreVisit, _ progress: @escaping @Sendable (StoreProgress) -> Void) async -> Result<
        StoreReport, StartupFailure
    > {
        var check = StoreCheck(reader, progress: progress)
        do { return .success(try await check.run()) } catch { return .failure(OpenStore.failure(error, "The store cannot be read")) }
    }
}
