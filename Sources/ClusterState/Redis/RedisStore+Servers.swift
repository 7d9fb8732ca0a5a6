// Which servers the store depends on, for those who look after the node.

import GateDomain

/// A server of the store as this node sees it.
package struct StoreServer: Sendable, Equatable {
    /// What it is there for.
    package enum Role: String, Sendable, CaseIterable {
        case primary, replica, sentinel
    }

    /// `host:port`; of a socket the word `unix`.
    package let place: String
    /// What it does for the store.
    package let role: Role
    /// Of a Sentinel: whether it has named a primary when it was asked last; of a server of a cluster: whether it has answered then; of a
    /// replica of a single primary: whether the Sentinels reach it, or, without them, whether its primary feeds it.
    package let isReachable: Bool
    /// Shards of the store that lie on it; 0 of all but primaries.
    package var shards = 0
    /// Of a replica; nil where nobody says.
    package var following: Following?
}

extension RedisStore {
    /// Whether Sentinels say which server is the primary.
    package var isWatchedBySentinels: Bool { connector.watch != nil }
    /// Whether it is a Redis Cluster.
    package var isCluster: Bool { connector.cluster != nil }

    /// The primary first, then its replicas, then the Sentinels in the order of the URL; of a cluster primaries and then replicas.
    package func servers() async -> [StoreServer] {
        if let cluster = connector.cluster {
            let shards = self.shards(by: cluster.map)
            return cluster.servers.map {
                StoreServer(
                    place: $0.place.text, role: $0.isPrimary ? .primary : .replica, isReachable: $0.isReachable,
                    shards: shards[$0.place]?.count ?? 0, following: $0.following)
            }
        }
        let isReachable = await isReachable
        let followers = await self.followers(isReachable)
        guard let watch = connector.watch else {
            let primary = StoreServer(place: connector.present, role: .primary, isReachable: isReachable, shards: keys.shards)
            return [primary]
                + followers.map {
                    StoreServer(place: $0.place, role: .replica, isReachable: $0.following.isLinked, following: $0.following)
                }
        }
        var servers: [StoreServer] = []
        if let primary = watch.primary {
            servers.append(StoreServer(place: primary.place, role: .primary, isReachable: isReachable, shards: keys.shards))
        }
        for replica in watch.replicas {
            let following = followers.first { $0.place == replica.place }?.following
            servers.append(StoreServer(place: replica.place, role: .replica, isReachable: replica.isUp, following: following))
        }
        for sentinel in watch.reachability {
            servers.append(StoreServer(place: sentinel.place, role: .sentinel, isReachable: sentinel.isReachable))
        }
        return servers
    }

    /// Who follows the primary, as it says itself.
    private func followers(_ isReachable: Bool) async -> [ReplicationFacts.Follower] {
        guard isReachable else { return [] }
        return await replication.facts { try? await self.send(RedisCommand("INFO", "replication")) }?.followers ?? []
    }

    /// Times that this node has seen another Redis become the primary.
    package var failovers: Int { connector.watch?.failovers ?? connector.cluster?.promotions ?? 0 }

    /// How many shards of a Redis Cluster every event loop can write to, whatever has become of the others: a write to each primary.
    package func writableShards() async -> Int {
        guard let cluster = connector.cluster else { return 0 }
        let names = shards(by: cluster.map).values
        return await withTaskGroup(of: Int.self) { group in
            for (name, count) in names {
                group.addTask { await self.takesWrite(name) ? count : 0 }
            }
            return await group.reduce(0, +)
        }
    }

    private func takesWrite(_ name: String) async -> Bool {
        do throws(StoreFailure) {
            try await sendOverEveryLink(RedisCommand("SET", name, "", "PX", "5000"))
            return true
        } catch {
            return false
        }
    }

    /// By the primaries that have any: how many shards of the store, and a name in one of them that may be written.
    private func shards(by map: SlotMap) -> [SlotMap.Place: (name: String, count: Int)] {
        (0..<keys.shards).reduce(into: [:]) { shards, shard in
            let name = keys.probe(shard)
            guard let owner = map.owner(of: HashSlot.of(Array(name.utf8))) else { return }
            shards[owner, default: (name, 0)].count += 1
        }
    }
}
