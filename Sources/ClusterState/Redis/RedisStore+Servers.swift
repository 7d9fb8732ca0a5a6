// Which servers the store depends on, for those who look after the node.

import GateDomain

/// A server of the store as this node sees it.
package struct StoreServer: Sendable, Equatable {
    /// What it is there for.
    package enum Role: String, Sendable {
        case primary, sentinel
    }

    /// `host:port`; of a socket the word `unix`.
    package let place: String
    /// What it does for the store.
    package let role: Role
    /// Of a Sentinel: whether it has named a primary when it was asked last.
    package let isReachable: Bool
}

extension RedisStore {
    /// The primary first, then the Sentinels in the order of the URL.
    package func servers() async -> [StoreServer] {
        var place = connector.target.place
        if case .unix = connector.target.address { place = "unix" }
        let isReachable = await isReachable
        guard let watch = connector.watch else { return [StoreServer(place: place, role: .primary, isReachable: isReachable)] }
        let primary = watch.primary.map { StoreServer(place: $0.place, role: .primary, isReachable: isReachable) }
        return [primary].compactMap(\.self)
            + watch.reachability.map { StoreServer(place: $0.place, role: .sentinel, isReachable: $0.isReachable) }
    }

    /// Times that this node has seen another Redis become the primary.
    package var failovers: Int { connector.watch?.failovers ?? 0 }
}
