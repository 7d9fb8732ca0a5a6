// A store that is being moved, as a node sees it at its start.

import ClusterState
import GateDomain
import GateSettings

extension SharedRedis {
    /// The way to where `redisTo` says that the store may be moved to, and whether it has been; nil where nothing is said.
    /// - Throws: what keeps it from being a store, in a sentence.
    func successor() async throws(StartupFailure) -> (connector: RedisConnector, hasArrived: Bool)? {
        guard let text = settings.redisTo else { return nil }
        let (url, settings) = try Self.target(text, settings)
        let keys = RedisKeys(prefix: settings.redisKeyPrefix, database: url.database)
        let shared = SharedRedis(settings: settings, url: url, loop: loop, logger: logger)
        let connector = try shared.connector()
        do throws(StartupFailure) {
            guard url.database == self.url.database else {
                throw StartupFailure("redisTo has another database than redisUrl; a store keeps its number.", status: .invalidConfiguration)
            }
            try await shared.examine(connector, keys: keys)
            let hasArrived = try await shared.state(of: connector, keys: keys) == .arrived
            if hasArrived { try await refuseAnother(connector, keys: keys) }
            return (connector, hasArrived)
        } catch {
            connector.watch?.stop()
            connector.cluster?.stop()
            throw error
        }
    }

    /// - Throws: where a move into this store is under way, so that it is none yet.
    func refuseUnfinished(_ connector: RedisConnector, keys: RedisKeys) async throws(StartupFailure) {
        guard try await state(of: connector, keys: keys) == .underWay else { return }
        throw StartupFailure(
            "A move into the store at \(connector.description) is under way; start with --redis-url of the old one and this one as --redis-to, or run gate-node store move to its end.",
            status: .storeUnavailable)
    }

    /// What was moved there may have been another store; one that has been switched off, or is used no more, is not asked long.
    /// - Throws: where both stores are there and are two.
    private func refuseAnother(_ target: RedisConnector, keys: RedisKeys) async throws(StartupFailure) {
        let source = try connector()
        source.watch?.start()
        source.cluster?.start()
        let (here, there) = (StoreVisit(source, keys: keys, on: loop), StoreVisit(target, keys: keys, on: loop))
        let own = try? await here.session(within: .seconds(1))
        let other = try? await there.session()
        await here.close()
        await there.hangUp()
        guard let own, let other, own != other else { return }
        throw StartupFailure(
            "redisTo holds another store than redisUrl, which was not moved there; name an empty one, or none.",
            status: .invalidConfiguration)
    }

    private func state(of connector: RedisConnector, keys: RedisKeys) async throws(StartupFailure) -> StoreMove.Standing {
        let visit = StoreVisit(connector, keys: keys, on: loop)
        let standing = try? await StoreMove.standing(in: visit)
        await visit.hangUp()
        guard let standing else { throw StartupFailure("Redis at \(connector.description) does not answer.", status: .storeUnavailable) }
        return standing
    }

    /// A target's URL, with settings in which its user and password stand: its own, or else those of the store that is moved.
    static func target(_ text: String, _ settings: Settings) throws(StartupFailure) -> (url: RedisURL, settings: Settings) {
        let url: RedisURL
        do throws(RedisURLFault) { url = try RedisURL(text) } catch {
            throw StartupFailure("The URL of the store to move to is not valid. \(error.rule)", status: .invalidConfiguration)
        }
        var settings = settings
        if url.password != nil { (settings.redisUser, settings.redisPassword) = (nil, nil) }
        return (url, settings)
    }
}
