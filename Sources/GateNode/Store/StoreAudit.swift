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
    /// - Parameter progress: how many names were read, and of about how many, 0 where that is not known; told after every page.
    /// - Throws: what keeps the store from being read, in a sentence.
    package static func check(
        _ settings: Settings, progress: @escaping @Sendable (_ names: Int, _ of: Int) -> Void
    ) async throws(StartupFailure) -> StoreVerdictText {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome = await outcome(settings, group.next(), progress)
        try? await group.shutdownGracefully()
        return StoreVerdictText(try outcome.get())
    }

    private static func outcome(
        _ settings: Settings, _ loop: any EventLoop, _ progress: @escaping StoreCheck.Progress
    ) async -> Result<StoreReport, StartupFailure> {
        do throws(StartupFailure) {
            let reader = try await open(settings, loop)
            let result = await read(reader, progress)
            await reader.close()
            return result
        } catch {
            return .failure(error)
        }
    }

    private static func read(_ reader: StoreReader, _ progress: @escaping StoreCheck.Progress) async -> Result<StoreReport, StartupFailure>
    {
        var check = StoreCheck(reader, progress: progress)
        do { return .success(try await check.run()) } catch { return .failure(unreadable(error)) }
    }

    private static func unreadable(_ error: any Error) -> StartupFailure {
        let why = (error as? StoreFailure)?.sentence ?? "Redis does not answer"
        return StartupFailure("The store cannot be read: \(why).", status: .storeUnavailable)
    }

    /// The store under the names of its shards.
    private static func open(_ settings: Settings, _ loop: any EventLoop) async throws(StartupFailure) -> StoreReader {
        guard let text = settings.redisUrl else {
            throw StartupFailure(
                "No store is named. Give its URL, or --redis-url-file; a node's own Redis is open to nobody but its node.",
                status: .invalidConfiguration)
        }
        let url: RedisURL
        do throws(RedisURLFault) { url = try RedisURL(text) } catch {
            throw StartupFailure("The Redis URL is not valid. \(error.rule)", status: .invalidConfiguration)
        }
        let logger = Logger(label: "store") { _ in SwiftLogNoOpLogHandler() }
        let shared = SharedRedis(settings: settings, url: url, loop: loop, logger: logger, isRead: true)
        let connector = try shared.connector()
        let first = StoreReader(connector, keys: RedisKeys(prefix: settings.redisKeyPrefix, database: url.database), on: loop)
        do throws(StartupFailure) {
            try await shared.examine(connector, keys: first.keys)
            let keys = RedisKeys(prefix: first.keys.prefix, database: first.keys.database, shards: try await shards(of: first))
            await first.hangUp()
            return StoreReader(connector, keys: keys, on: loop)
        } catch {
            await first.close()
            throw error
        }
    }

    private static func shards(of reader: StoreReader) async throws(StartupFailure) -> Int {
        let shards: Int?
        do { shards = try await reader.shards() } catch { throw unreadable(error) }
        guard let shards else {
            throw StartupFailure("No gate has used this store under the prefix '\(reader.keys.prefix)'.", status: .storeUnavailable)
        }
        return shards
    }
}
