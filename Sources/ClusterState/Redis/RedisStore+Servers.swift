// Which servers the store depends on, for those who look after the node.

import GateDomain

/// A server of the store as this node sees it.
package struct StoreServer: Sendable, Equatable {
    /// What it is there for.
    package enum Role: String, Sendable {
        case primary, replica, sentinel
    }

    /// `host:port`; of a socket the word `unix`.
    package let place: String
    /// What it does for the store.
    package let role: Role
    /// Of a Sentinel: whether it has named a primary when it was asked last; of a server of a cluster: whether it has answered then.
    package let isReachable: Bool
}

extension RedisStore {
    /// Whether Sentinels say which server is the primary.
    package var isWatchedBySentinels: Bool { connector.watch != nil }
    /// Whether it is a Redis Cluster.
    package var isCluster: Bool { connector.cluster != nil }

    /// The primary first, then the Sentinels in the order of the URL; of a cluster primaries and then replicas.
    package func servers() async -> [StoreServer] {
        if let cluster = connector.cluster {
            return cluster.servers.map {
                StoreServer(place: $0.place.text, role: $0.isPrimary ? .primary : .replica, isReachable: $0.isReachable)
            }
        }
        var place = connector.target.place
        if case .unix = connector.target.address { place = "unix" }
        let isReachable = await isReachable
        guard let watch = connector.watch else { return [StoreServer(place: place, role: .primary, isReachable: isReachable)] }
        let primary = watch.primary.map { StoreServer(place: $0.place, role: .primary, isReachable: isReachable) }
        return [primary].compactMap(\.self)
            + watch.reachability.map { StoreServer(place: $0.place, role: .sentinel, isReachable: $0.isReachable) }
    }

    /// Times that this node has seen another Redis become the primary.
    package var failovers: Int { connector.watch?.failovers ?? connector.cluster?.promotions ?? 0 }

    /// Whether every event loop can write to some primary of a Redis Cluster: calls of its slots are served, whatever has become of the others.
    package func takesWritesSomewhere() async -> Bool {
        guard let cluster = connector.cluster else { return false }
        let map = cluster.map
        for place in map.places {
            let names = (0..<keys.shards).lazy.map { self.keys.probe($0) }
            guard let name = names.first(where: { map.owner(of: HashSlot.of(Array($0.utf8))) == place }) else { continue }
            do throws(StoreFailure) {
                try await sendOverEveryLink(RedisCommand("SET", name, "", "PX", "5000"))
                return true
            } catch { continue }
        }
        return false
    }
}
