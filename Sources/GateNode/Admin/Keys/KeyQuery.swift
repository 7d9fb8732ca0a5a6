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
    /// The last key of the page before, as that page has said.
    let cursor: KeyPlace?

    /// Keys that one answer holds at most.
    static let longest = 500

    private static let limit = Field("limit", .integer(1...longest, excess: .clamped), "Keys of a page.").optional
    private static let offset = Field("offset", .integer(0...100_000, excess: .clamped), "Keys before the page.").optional
    private static let sorting = Field<Sorting>("sortBy", .choice, "What they are ordered by; createdAt by default.").optional
    private static let direction = Field<Direction>("order", .choice, "Direction; desc by default.").optional

    private static let cursor = Field(
        "cursor", .text(upTo: 1000), "The nextCursor of the page before, for the keys behind it; the rest of the query stays the same."
    ).optional

    static let fields: [any DeclaredField] = [limit, offset, cursor, sorting, direction] + KeyFilter.fields

    init(_ request: EndpointRequest) throws {
        let (limit, offset) = (try request[Self.limit], try request[Self.offset])
        let (sorting, direction) = (try request[Self.sorting], try request[Self.direction])
        filter = try KeyFilter(request)
        let cursor = try request[Self.cursor]
        isPaged = limit != nil || offset != nil || sorting != nil || direction != nil || cursor != nil || filter.asksForMore
        self.limit = limit ?? (isPaged ? 50 : Self.longest)
        self.offset = offset ?? 0
        self.sorting = sorting ?? .createdAt
        self.direction = direction ?? .desc
        self.cursor = try cursor.map { [sorting = self.sorting, direction = self.direction] text in
            guard let place = Self.place(text, sorting, direction) else {
                throw HTTPFailure.badRequest("Invalid cursor. Must be the nextCursor of a page with the same sortBy and order.")
            }
            return place
        }
        if self.cursor != nil, self.offset > 0 { throw HTTPFailure.badRequest("Invalid offset. Leave it out where a cursor is given.") }
    }

    /// A page of what stands in lists, the newest first.
    init(lists: [String], limit: Int, offset: Int) {
        (self.limit, self.offset, sorting, direction, cursor, isPaged) = (limit, offset, .createdAt, .desc, nil, true)
        filter = KeyFilter(lists: lists)
    }

    /// The cursor of the keys behind a place.
    func text(of place: KeyPlace) -> String { "\(sorting.rawValue).\(direction.rawValue).\(place.text)" }

    private static func place(_ text: String, _ sorting: Sorting, _ direction: Direction) -> KeyPlace? {
        let head = "\(sorting.rawValue).\(direction.rawValue)."
        guard text.utf8.starts(with: head.utf8) else { return nil }
        return KeyPlace(text: text.unicodeScalars.dropFirst(head.unicodeScalars.count).reduce(into: "") { $0.unicodeScalars.append($1) })
    }
}

extension KeyQuery.Sorting {
    /// The part of an order that has all keys which a filter asks for, if the order is of what the filter looks at.
    func order(for filter: KeyFilter) -> KeyOrder {
        switch self {
        case .createdAt: .made(filter.lists.count == 1 ? filter.lists[0] : nil)
        case .name: .name(prefix: filter.prefix)
        case .credits: .amount(.credits, from: filter.credits.least, to: filter.credits.most)
        case .lastUsedAt: .amount(.used, from: nil, to: nil)
        case .totalSpent: .amount(.spent, from: nil, to: nil)
        case .totalCalls: .amount(.calls, from: nil, to: nil)
        }
    }

    /// Where a key stands in it now; its index may be a moment behind.
    func place(of key: KeySnapshot) -> KeyPlace {
        let id = key.record.id
        return switch self {
        case .createdAt: KeyPlace(number: key.record.createdAt, id: id)
        case .name: KeyPlace(word: Array(KeyRecord.word(ofName: key.record.name, id: id).utf8))
        case .credits: KeyPlace(number: key.account.credits, id: id)
        case .lastUsedAt: KeyPlace(number: key.account.lastUsedAt ?? 0, id: id)
        case .totalSpent: KeyPlace(number: key.account.spent, id: id)
        case .totalCalls: KeyPlace(number: key.account.calls, id: id)
        }
    }
}
