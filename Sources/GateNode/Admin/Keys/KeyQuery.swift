// Which keys a list shows, and in which order.

import ClusterState
import GateDomain
import GateValues

/// The parameters of a key list.
struct KeyQuery: Sendable {
    enum Sorting: String, CaseIterable, Sendable {
        case createdAt, name, credits, lastUsedAt, totalSpent, totalCalls
    }

    enum Direction: String, CaseIterable, Sendable {
        case asc, desc
    }

    let limit: Int
    let offset: Int
    let sorting: Sorting
    let direction: Direction
    let filter: KeyFilter
    /// Whether the answer says where in the list it stands; a namespace alone does not ask for that.
    let isPaged: Bool

    /// Keys that are gone through for what no list knows.
    static let mostWalked = 100_000
    /// Keys that one answer holds at most.
    static let longest = 500

    private static let limit = Field("limit", .integer(1...longest, excess: .clamped), "Keys of a page.").optional
    private static let offset = Field("offset", .integer(0...100_000, excess: .clamped), "Keys before the page.").optional
    private static let sorting = Field<Sorting>("sortBy", .choice, "What they are ordered by; createdAt by default.").optional
    private static let direction = Field<Direction>("order", .choice, "Direction; desc by default.").optional

    static let fields: [any DeclaredField] = [limit, offset, sorting, direction] + KeyFilter.fields

    init(_ request: EndpointRequest) throws {
        let (limit, offset) = (try request[Self.limit], try request[Self.offset])
        let (sorting, direction) = (try request[Self.sorting], try request[Self.direction])
        filter = try KeyFilter(request)
        isPaged = limit != nil || offset != nil || sorting != nil || direction != nil || filter.asksForMore
        self.limit = limit ?? (isPaged ? 50 : Self.longest)
        self.offset = offset ?? 0
        self.sorting = sorting ?? .createdAt
        self.direction = direction ?? .desc
    }
}

extension KeyQuery {
    /// The keys of the page, and how many there are in all.
    ///
    /// In order of creation, and where lists say all of the filter, it reads the page alone. Otherwise it walks over the shortest list of the
    /// filter, or over all keys where it has none, and keeps the first `offset + limit` of them by name, never the keys themselves.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: 400 where it would walk over more than `mostWalked` keys.
    func page(of keys: KeyDirectory, at now: Int) async throws -> (keys: [KeySnapshot], total: Int) {
        if filter.isListed, sorting == .createdAt {
            let page = try await keys.page(in: filter.lists, direction == .desc ? .descending : .ascending, offset: offset, count: limit)
            return (try await keys.wholeSnapshots(page.ids, at: now), page.total)
        }
        let size = try await keys.size(of: filter.lists)
        guard size <= Self.mostWalked else {
            throw HTTPFailure.badRequest(
                "\(size) keys would have to be gone through for that order or filter, and \(Self.mostWalked) are at most. Narrow the list down by namespace, active=false, suspended=true or expired=true, or order it by createdAt."
            )
        }
        var ranking = KeyRanking(direction: direction, capacity: offset + limit)
        try await keys.walk(in: filter.lists) { ids in
            for key in try await keys.snapshots(ids, at: now) where filter.admits(key) {
                ranking.add(key.record.id, by: sorting.rank(of: key))
            }
        }
        return (try await keys.wholeSnapshots(Array(ranking.best.dropFirst(offset)), at: now), ranking.total)
    }
}

extension KeyQuery.Sorting {
    fileprivate func rank(of key: KeySnapshot) -> KeyRanking.Rank {
        switch self {
        case .createdAt: .number(key.record.createdAt)
        case .name: .text(key.record.name)
        case .credits: .number(key.account.credits)
        case .lastUsedAt: .number(key.account.lastUsedAt ?? 0)
        case .totalSpent: .number(key.account.spent)
        case .totalCalls: .number(key.account.calls)
        }
    }
}
