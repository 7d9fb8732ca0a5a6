// A page of a key list: read from an index, whatever is asked for, and never by going through all keys.

import ClusterState
import GateDomain
import HTTPTypes

/// What one request is shown.
struct KeyPage: Sendable {
    var keys: [KeySnapshot] = []
    /// Keys that were asked for over all pages; where it is not exact, those that may be, of which more is asked.
    var total: Int
    var isExact = true
    /// The last place that was looked at, where there is more behind it.
    var next: KeyPlace?
}

/// Three ways to find a page (decision 26).
///
/// 1. A part of the order that is asked for is what the filter asks for: the page is read where it lies.
/// 2. Some part of an order has every key that the filter asks for, and few besides: that part is gone through, and the page kept.
/// 3. Else the order that is asked for is gone through from the cursor, `mostExamined` keys at most: a page may be short then, and says where
///    to go on.
struct KeyPages: Sendable {
    let keys: KeyDirectory
    /// Milliseconds since 1970 of Redis TIME.
    let now: Int

    /// Keys that one request looks at, at most.
    static let mostExamined = 20_000

    /// - Throws: 400 for an offset that lies too deep, 503 where the orders of an older store are still being made.
    func page(of query: KeyQuery) async throws -> KeyPage {
        let order = query.sorting.order(for: query.filter)
        let needsOrders = query.sorting != .createdAt || query.filter.needsOrders
        let hasOrders = needsOrders ? try await keys.orders.isBuilt() : false
        if query.filter.isSaid(by: order), hasOrders || query.sorting == .createdAt { return try await read(query, order) }
        let (part, size) = try await smallest(query.filter.parts(hasOrders))
        if size <= Self.mostExamined { return try await rank(query, all: part) }
        if query.sorting == .createdAt {
            // Every list is in the order of making.
            if case .made = part { return try await sweep(query, part, total: size) }
            return try await sweep(query, .made(nil), total: size)
        }
        guard hasOrders else {
            throw HTTPFailure(
                .serviceUnavailable, "The orders of \(size) keys are still being made. Order them by createdAt until then."
            ).retryable(after: 60)
        }
        return try await sweep(query, order, total: size)
    }

    private func walk(_ query: KeyQuery, _ order: KeyOrder) async throws -> OrderWalk {
        try await OrderWalk(order, query.direction.ofIndex, after: query.cursor, in: keys.store)
    }

    private func smallest(_ parts: [KeyOrder]) async throws -> (KeyOrder, Int) {
        var (found, size) = (parts[0], Int.max)
        for part in parts {
            let count = try await OrderWalk(part, .ascending, in: keys.store).total
            if count < size { (found, size) = (part, count) }
        }
        return (found, size)
    }

    private func read(_ query: KeyQuery, _ order: KeyOrder) async throws -> KeyPage {
        var walk = try await walk(query, order)
        var page = KeyPage(total: walk.total)
        try await walk.skip(query.offset)
        let places = try await walk.next(query.limit)
        page.keys = try await snapshots(places, query)
        page.next = walk.left > 0 ? places.last : nil
        return page
    }

    /// Those of some places that are there and still as they are asked for: an index may be a moment behind.
    private func snapshots(_ places: [KeyPlace], _ query: KeyQuery) async throws -> [KeySnapshot] {
        let found = try await keys.snapshots(places.map(\.id), at: now).filter(query.filter.admits)
        guard query.sorting == .name else { return found }
        // A node of an earlier version leaves an old name behind.
        let known = Set(places)
        return found.filter { known.contains(query.sorting.place(of: $0)) }
    }

    private func rank(_ query: KeyQuery, all part: KeyOrder) async throws -> KeyPage {
        var walk = try await OrderWalk(part, .ascending, in: keys.store)
        var ranking = KeyRanking(query)
        // An order by money may show a key twice while it is read.
        var met: Set<String> = []
        while true {
            let places = try await walk.next(KeyDirectory.stride)
            if places.isEmpty || met.count > 2 * Self.mostExamined { break }
            let ids = try await listed(places.map(\.id).filter { met.insert($0).inserted }, query.filter, but: part)
            for key in try await keys.snapshots(ids, at: now) where query.filter.admits(key) { ranking.add(query.sorting.place(of: key)) }
        }
        let shown = Array(ranking.best.dropFirst(query.offset))
        var page = KeyPage(total: ranking.total)
        page.keys = try await keys.snapshots(shown.map(\.id), at: now)
        page.next = query.offset + shown.count < ranking.count ? shown.last : nil
        return page
    }

    private func sweep(_ query: KeyQuery, _ order: KeyOrder, total: Int) async throws -> KeyPage {
        var walk = try await walk(query, order)
        var page = KeyPage(total: total, isExact: false)
        var (examined, passed) = (0, 0)
        while examined < Self.mostExamined {
            let places = try await walk.next(min(KeyDirectory.stride, Self.mostExamined - examined))
            if places.isEmpty { break }
            examined += places.count
            let ids = try await listed(places.map(\.id), query.filter, but: order)
            let found = Dictionary(
                try await keys.snapshots(ids, at: now).filter(query.filter.admits).map { ($0.record.id, $0) }, uniquingKeysWith: { $1 })
            for (index, place) in places.enumerated() {
                if let key = found[place.id] {
                    if passed < query.offset { passed += 1 } else { page.keys.append(key) }
                }
                page.next = walk.left > 0 || index + 1 < places.count ? place : nil
                if page.keys.count == query.limit { return page }
            }
        }
        guard passed == query.offset || page.next == nil else {
            throw HTTPFailure.badRequest(
                "Invalid offset. More than \(Self.mostExamined) keys would have to be looked at for it; ask for the first page and follow nextCursor."
            )
        }
        return page
    }

    /// Those that stand in all lists of a filter; in one of them they do already.
    private func listed(_ ids: [String], _ filter: KeyFilter, but order: KeyOrder) async throws -> [String] {
        var ids = ids
        for list in filter.lists where order != .made(list) && !ids.isEmpty { ids = try await keys.records.filter(ids, in: list) }
        return ids
    }
}

extension KeyQuery.Direction {
    fileprivate var ofIndex: OrderWalk.Direction { self == .asc ? .ascending : .descending }
}
