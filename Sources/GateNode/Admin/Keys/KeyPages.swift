// A page of a key list: read from an index, whatever is asked for, and never by going through all keys.

import ClusterState
import GateDomain
import HTTPTypes

/// What one request is shown.
struct KeyPage: Sendable {
    var keys: [KeySnapshot] = []
    /// Keys that an index has found for it.
    var ids: [String] = []
    /// Where these have to stand in the order by name; nil where it does not matter.
    var known: Set<KeyPlace>?
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
///
/// Who stands in which list, and how many credits it has, is asked of the indexes, hundreds of keys with a command; records are read of the
/// keys that are shown, and of `mostRead` at most where the filter is of something that only they know.
struct KeyPages: Sendable {
    let keys: KeyDirectory
    /// Milliseconds since 1970 of Redis TIME.
    let now: Int

    /// Keys that one request looks at, at most.
    static let mostExamined = 20_000
    /// Of these, keys whose records it reads.
    static let mostRead = 2_000
    /// Records that are read at once, at least.
    private static let fewest = 50

    /// The page with all that a list shows of a key.
    /// - Throws: 400 for an offset that lies too deep, 503 where the orders of an older store are still being made.
    func page(of query: KeyQuery) async throws -> KeyPage {
        var page = try await find(query)
        // Indexes are a moment behind: what is shown meets the filter by what its account says now.
        page.keys = try await keys.wholeSnapshots(page.ids, at: now).filter { key in
            query.filter.admits(key) && page.known?.contains(query.sorting.place(of: key)) ?? true
        }
        return page
    }

    private func find(_ query: KeyQuery) async throws -> KeyPage {
        let order = query.sorting.order(for: query.filter)
        let needsOrders = query.sorting != .createdAt || query.filter.needsOrders
        let hasOrders = needsOrders ? try await keys.orders.isBuilt() : false
        if query.filter.isSaid(by: order), hasOrders || query.sorting == .createdAt { return try await read(query, order) }
        let (part, size) = try await smallest(query.filter.parts(hasOrders))
        let readsRecords = query.filter.needsRecords(in: part) || query.sorting == .name && !part.isOfNames || !hasOrders && needsOrders
        // Before there are orders, nothing else could be said of them.
        if size <= (readsRecords && (hasOrders || !needsOrders) ? Self.mostRead : Self.mostExamined) {
            return try await rank(query, all: part, readingRecords: readsRecords)
        }
        let counted = query.filter.isCounted ? try await count(query.filter) : nil
        if query.sorting == .createdAt {
            // Every list is in the order of making.
            return try await sweep(query, part.isOfMaking ? part : .made(nil), total: counted ?? size, isExact: counted != nil)
        }
        guard hasOrders else {
            throw HTTPFailure(
                .serviceUnavailable, "The orders of \(size) keys are still being made. Order them by createdAt until then."
            ).retryable(after: 60)
        }
        return try await sweep(query, order, total: counted ?? size, isExact: counted != nil)
    }

    private func count(_ filter: KeyFilter) async throws -> Int {
        if let list = filter.lists.first { return try await keys.records.count(in: list) }
        var count = try await keys.records.count()
        for list in filter.absent { count -= try await keys.records.count(in: list) }
        return count
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
        page.ids = places.map(\.id)
        // A node of an earlier version leaves an old name behind.
        if query.sorting == .name { page.known = Set(places) }
        page.next = walk.left > 0 ? places.last : nil
        return page
    }

    private func rank(_ query: KeyQuery, all part: KeyOrder, readingRecords: Bool) async throws -> KeyPage {
        var walk = try await OrderWalk(part, .ascending, in: keys.store)
        var ranking = KeyRanking(query)
        // An order by money may show a key twice while it is read.
        var met: Set<String> = []
        while true {
            let places = try await walk.next(KeyDirectory.stride)
            if places.isEmpty || met.count > 2 * Self.mostExamined { break }
            let listed = try await listed(places.filter { met.insert($0.id).inserted }, query.filter, but: part, byCredits: !readingRecords)
            for place in try await self.places(listed, query, in: part, readingRecords) { ranking.add(place) }
        }
        let shown = Array(ranking.best.dropFirst(query.offset))
        var page = KeyPage(total: ranking.total)
        page.ids = shown.map(\.id)
        page.next = query.offset + shown.count < ranking.count ? shown.last : nil
        return page
    }

    /// The places of keys in the order that is asked for.
    /// - Parameter part: the order in which they were found.
    private func places(_ found: [KeyPlace], _ query: KeyQuery, in part: KeyOrder, _ readingRecords: Bool) async throws -> [KeyPlace] {
        if readingRecords {
            return try await keys.snapshots(found.map(\.id), at: now).filter(query.filter.admits).map(query.sorting.place)
        }
        let list: String
        switch (query.sorting.order(for: query.filter), part) {
        case (.made, .made), (.name, .name): return found
        case (.amount(let one, _, _), .amount(let other, _, _)) where one == other: return found
        case (.amount(let amount, _, _), _): list = amount.list
        case (.made, _), (.name, _): list = KeyRecord.kind
        }
        let ids = found.map(\.id)
        return zip(ids, try await keys.records.places(of: ids, in: list)).compactMap { id, number in
            number.map { KeyPlace(number: $0, id: id) }
        }
    }

    private func sweep(_ query: KeyQuery, _ order: KeyOrder, total: Int, isExact: Bool) async throws -> KeyPage {
        var walk = try await walk(query, order)
        var page = KeyPage(total: total, isExact: isExact)
        var (examined, read, passed) = (0, 0, 0)
        let readsRecords = query.filter.needsRecords(in: order)
        let hasCredits = query.filter.isOfCredits ? try await keys.orders.isBuilt() : false
        while examined < Self.mostExamined, read < Self.mostRead {
            let places = try await walk.next(min(KeyDirectory.stride, Self.mostExamined - examined))
            if places.isEmpty { break }
            examined += places.count
            page.next = walk.left > 0 ? places.last : nil
            var listed = try await listed(places, query.filter, but: order, byCredits: hasCredits)[...]
            if !readsRecords {
                let skipped = min(listed.count, query.offset - passed)
                passed += skipped
                listed = listed.dropFirst(skipped)
            }
            // As many as the page still needs at a time: most of them will do.
            while !listed.isEmpty {
                let some = Array(listed.prefix(max(query.limit - page.ids.count, Self.fewest)))
                listed = listed.dropFirst(some.count)
                read += some.count
                let found = Set(try await keys.snapshots(some.map(\.id), at: now).filter(query.filter.admits).map(\.record.id))
                for place in some where found.contains(place.id) {
                    if passed < query.offset {
                        passed += 1
                    } else {
                        page.ids.append(place.id)
                    }
                    if page.ids.count == query.limit {
                        if place != places.last { page.next = place }
                        return page
                    }
                }
            }
        }
        guard passed == query.offset || page.next == nil else {
            throw HTTPFailure.badRequest(
                "Invalid offset. More than \(examined) keys would have to be looked at for it; ask for the first page and follow nextCursor."
            )
        }
        return page
    }

    /// Those that stand where a filter wants them, as far as indexes know; in the order in which they were found they do already.
    /// - Parameter byCredits: whether the order by credits is there to be asked.
    private func listed(
        _ places: [KeyPlace], _ filter: KeyFilter, but order: KeyOrder, byCredits: Bool
    ) async throws -> [KeyPlace] {
        var places = places
        func keep(_ list: String, _ isWanted: (Int?) -> Bool) async throws {
            if places.isEmpty { return }
            let found = try await keys.records.places(of: places.map(\.id), in: list)
            places = zip(places, found).filter { isWanted($1) }.map(\.0)
        }
        for list in filter.lists where order != .made(list) { try await keep(list) { $0 != nil } }
        for list in filter.absent { try await keep(list) { $0 == nil } }
        if byCredits, filter.isOfCredits, !order.isOfCredits {
            try await keep(KeyAmount.credits.list) { $0.map(filter.takes(credits:)) ?? false }
        }
        return places
    }
}

extension KeyOrder {
    fileprivate var isOfMaking: Bool { if case .made = self { true } else { false } }
    fileprivate var isOfNames: Bool { if case .name = self { true } else { false } }
    fileprivate var isOfCredits: Bool { if case .amount(.credits, _, _) = self { true } else { false } }
}

extension KeyQuery.Direction {
    fileprivate var ofIndex: OrderWalk.Direction { self == .asc ? .ascending : .descending }
}
