// The way to a Redis that nodes share: what the settings say of it, and whether it can be the store, before anything else starts.

import ClusterState
import GateDomain
import GateSettings
import Logging
import NIOCore

/// Makes the connector of a Redis URL and looks at what it leads to.
struct SharedRedis {
    let settings: Settings
    let url: RedisURL
    let loop: any EventLoop
    let logger: Logger
    /// Whether the store is only read, and nothing is tried on it.
    var isRead = false

    /// How long a Redis that was named may take to be there (B42).
    static let patience = Duration.seconds(20)

    /// - Throws: a URL that cannot be used, files for TLS that cannot be read.
    func connector() throws(StartupFailure) -> RedisConnector {
        let tls = RedisTLS(
            authorities: settings.redisCa, certificate: settings.redisCertificate, privateKey: settings.redisPrivateKey)
        guard let first = url.servers.first else { throw Self.unusable }
        let server = RedisTarget(
            address: first, usesTLS: url.usesTLS, username: settings.redisUser ?? url.username,
            password: settings.redisPassword ?? url.password, database: url.database)
        do {
            switch url.topology {
            case .single: return try RedisConnector(server, tls: tls, replicasToAck: settings.minReplicasAck)
            case .sentinel(let primary):
                let sentinels = try url.servers.map { address in
                    try RedisConnector(
                        RedisTarget(
                            address: address, usesTLS: url.usesTLS, username: settings.sentinelUser, password: settings.sentinelPassword),
                        tls: tls)
                }
                let watch = PrimaryWatch(sentinels: sentinels, name: primary, on: loop, logger: logger)
                return try RedisConnector(server, watch: watch, tls: tls, replicasToAck: settings.minReplicasAck)
            case .cluster:
                let watch = ClusterWatch(seeds: url.servers, connector: try RedisConnector(server, tls: tls), on: loop, logger: logger)
                return try RedisConnector(server, cluster: watch, tls: tls, replicasToAck: settings.minReplicasAck)
            }
        } catch let failure as StartupFailure {
            throw failure
        } catch let fault as RedisTLSFault {
            throw StartupFailure(fault.sentence, status: .invalidConfiguration)
        } catch {
            throw StartupFailure("TLS to Redis cannot be prepared: \(error).", status: .storeUnavailable)
        }
    }

    private static let unusable = StartupFailure("The Redis URL names no server.", status: .invalidConfiguration)

    /// Waits until the Redis is there and has been looked at; remarks go to the log.
    /// - Throws: what keeps it from being the store, in a sentence.
    func examine(_ connector: RedisConnector, keys: RedisKeys) async throws(StartupFailure) {
        connector.watch?.start()
        connector.cluster?.start()
        let deadline = ContinuousClock.now + Self.patience
        var hasSaid = false
        while true {
            let why = try await look(connector, keys: keys)
            guard let why else { return }
            if ContinuousClock.now > deadline { throw StartupFailure(why, status: .storeUnavailable) }
            if !hasSaid && ContinuousClock.now > deadline - Self.patience + .seconds(1) {
                hasSaid = true
                logger.notice("waiting for Redis", metadata: ["redis": "\(connector.description)", "why": "\(why)"])
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Why it has to be waited for; nil when it can be used.
    private func look(_ connector: RedisConnector, keys: RedisKeys) async throws(StartupFailure) -> String? {
        if let watch = connector.watch, !watch.isCertain {
            guard let obstacle = watch.obstacle else { return "The Sentinels have not named the primary '\(watch.name)' yet." }
            if obstacle.isFinal { throw StartupFailure(obstacle.sentence, status: .storeUnavailable) }
            return obstacle.sentence
        }
        if let cluster = connector.cluster, !cluster.isKnown { cluster.doubt() }
        switch await RedisExamination.of(connector, keys: keys, on: loop, isRead: isRead) {
        case .fit where connector.cluster?.isKnown == false:
            return "The servers of the Redis Cluster have not said yet who has which slots."
        case .fit(let remarks):
            for remark in remarks { logger.warning("\(remark)") }
            return nil
        case .unfit(let sentence): throw StartupFailure(sentence, status: .storeUnavailable)
        case .away(let why?): return "Redis at \(connector.description) \(why)."
        case .away(nil):
            let hint = url.usesTLS ? "that it runs, and --redis-certificate if it asks for one" : "and that it runs"
            return "Redis at \(connector.description) does not answer; check the URL, the password, \(hint)."
        }
    }
}
