// Keys by the lists that they stand in: what is asked for by a list reads the shortest one, and never all keys.

import ClusterState
import GateDomain

extension KeyDirectory {
    /// Keys that stand in all of these lists: a page of them, and how many there are. One list is read where the page lies; of several the
    /// shortest is walked over, and the others are asked about what is found in it.
    /// - Parameters:
    ///   - lists: none for all keys.
    ///   - order: by the time of their making.
    func page(
        in lists: [String], _ order: RecordStore<KeyRecord>.Order, offset: Int, count: Int
    ) async throws -> (ids: [String], total: Int) {
        if lists.count < 2 {
            return (
                try await records.ids(order, in: lists.first, offset: offset, count: count), try await records.count(in: lists.first)
            )
        }
        var (ids, total): ([String], Int) = ([], 0)
        try await walk(in: lists, order) { found in
            ids += found.dropFirst(max(0, offset - total)).prefix(count - ids.count)
            total += found.count
        }
        return (ids, total)
    }

    /// Calls `visit` with the ids of the keys that stand in all of these lists, a stride at a time: what a walk holds is bounded, whatever the
    /// number of keys.
    func walk(
        in lists: [String] = [], _ order: RecordStore<KeyRecord>.Order = .ascending, _ visit: ([String]) async throws -> Void
    ) async throws {
        var sizes: [(list: String, size: Int)] = []
        if lists.count > 1 { for list in lists { sizes.append((list, try await records.count(in: list))) } }
        let shortest = sizes.min { $0.size < $1.size }?.list ?? lists.first
        var walk = records.walk(order, in: shortest)
        while true {
            var ids = try await walk.next(Self.stride)
            if ids.isEmpty { return }
            for list in lists where list != shortest { ids = try await records.filter(ids, in: list) }
            if !ids.isEmpty { try await visit(ids) }
        }
    }

    /// How many keys a walk over those that stand in all of these lists goes through at most.
    func size(of lists: [String]) async throws -> Int {
        if lists.isEmpty { return try await records.count() }
        var size = Int.max
        for list in lists { size = min(size, try await records.count(in: list)) }
        return size
    }

    /// Keys that one step of a walk reads: enough to be quick, few enough not to stand in the way of calls.
    static let stride = 500
}
