// An index of records over all shards in one order, read a few places at a time.

/// Merges the indexes of all shards. Each is read from where it was left, so that going through all of it costs what there is in it, and no
/// command reads more than a span of it.
package struct IndexWalk<Record: StoredRecord>: Sendable {
    private struct Reader: Sendable {
        let index: String
        var offset = 0
        var found: ArraySlice<Place> = []
        var isAtEnd = false
    }

    private struct Place: Sendable {
        let id: String
        let at: Double

        func precedes(_ other: Place) -> Bool { (at, id) < (other.at, other.id) }
    }

    private let store: any CommandStore
    private let order: RecordStore<Record>.Order
    private var readers: [Reader]

    /// Places of one index that a command reads.
    private static var span: Int { 500 }

    /// - Parameter list: nil for the order in which records were made.
    init(_ store: any CommandStore, _ order: RecordStore<Record>.Order, in list: String?) {
        self.store = store
        self.order = order
        readers = (0..<store.keys.shards).map { Reader(index: store.keys.index(list ?? Record.kind, $0)) }
    }

    /// The ids that come next, `count` of them; fewer only at the end.
    /// - Throws: `store`.
    package mutating func next(_ count: Int) async throws(RecordRefusal) -> [String] {
        var ids: [String] = []
        while ids.count < count {
            try await fill()
            guard let first = readers.indices.filter({ !readers[$0].found.isEmpty }).min(by: precedes) else { break }
            if let place = readers[first].found.popFirst() { ids.append(place.id) }
        }
        return ids
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        guard let one = readers[left].found.first, let other = readers[right].found.first else { return false }
        return order == .ascending ? one.precedes(other) : other.precedes(one)
    }

    private mutating func fill() async throws(RecordRefusal) {
        let empty = readers.indices.filter { readers[$0].found.isEmpty && !readers[$0].isAtEnd }
        guard !empty.isEmpty else { return }
        let replies: [RedisReply]
        do {
            replies = try await store.sendAll(
                empty.map { number in
                    let reader = readers[number]
                    return RedisCommand(
                        order == .descending ? "ZREVRANGE" : "ZRANGE", reader.index, String(reader.offset),
                        String(reader.offset + Self.span - 1), "WITHSCORES")
                })
        } catch {
            throw .store(error)
        }
        for (number, reply) in zip(empty, replies) {
            let words = reply.array?.compactMap(\.string) ?? []
            readers[number].found =
                stride(from: 0, to: words.count - 1, by: 2).map { Place(id: words[$0], at: Double(words[$0 + 1]) ?? 0) }[...]
            readers[number].offset += words.count / 2
            readers[number].isAtEnd = words.count / 2 < Self.span
        }
    }
}
