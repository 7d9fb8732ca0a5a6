// How the tools for stores come to one: the URL, the rights, the number of its shards.

import ClusterState
import GateDomain
import GateSettings
import Logging
import NIOCore

/// Opens stores from outside of any node.
enum OpenStore {
    static let unnamed = StartupFailure(
        "No store is named. Give its URL, or --redis-url-file; a node's own Redis is open to nobody but its node.",
        status: .invalidConfiguration)

    /// - Parameter what: a sentence without its end.
    static func failure(_ error: any Error, _ what: String) -> StartupFailure {
        if let failure = error as? StartupFailure { return failure }
        if let refusal = error as? StoreMoveRefusal { return StartupFailure("\(what): \(refusal.words).", status: .storeUnavailable) }
        let why = (error as? StoreFailure)?.sentence ?? "Redis does not answer"
        return StartupFailure("\(what): \(why).", status: .storeUnavailable)
    }

    /// A store that gates have used, under the names of its shards.
    /// - Throws: what keeps it from being read, in a sentence.
    static func visit(_ text: String, _ settings: Settings, _ loop: any EventLoop) async throws(StartupFailure) -> StoreVisit {
        let first = try await connect(text, settings, loop, isRead: true)
        do throws(StartupFailure) {
            let count: Int?
            do { count = try await first.shards() } catch { throw failure(error, "The store cannot be read") }
            guard let count else {
                throw StartupFailure("No gate has used this store under the prefix '\(first.keys.prefix)'.", status: .storeUnavailable)
            }
            await first.hangUp()
            return first.under(RedisKeys(prefix: first.keys.prefix, database: first.keys.database, shards: count))
        } catch {
            await first.close()
            throw error
        }
    }

    /// A store that may be empty, under names of one shard.
    /// - Parameter isRead: whether nothing is written there; else the rights to do so are tried.
    /// - Throws: what keeps it from being one, in a sentence.
    static func connect(
        _ text: String, _ settings: Settings, _ loop: any EventLoop, isRead: Bool
    ) async throws(StartupFailure) -> StoreVisit {
        let url: RedisURL
        do throws(RedisURLFault) { url = try RedisURL(text) } catch {
            throw StartupFailure("The Redis URL is not valid. \(error.rule)", status: .invalidConfiguration)
        }
        let logger = Logger(label: "store") { _ in SwiftLogNoOpLogHandler() }
        let shared = SharedRedis(settings: settings, url: url, loop: loop, logger: logger, isRead: isRead)
        let connector = try shared.connector()
        let visit = StoreVisit(connector, keys: RedisKeys(prefix: settings.redisKeyPrefix, database: url.database), on: loop)
        do throws(StartupFailure) {
            try await shared.examine(connector, keys: visit.keys)
            return visit
        } catch {
            await visit.close()
            throw error
        }
    }
}
