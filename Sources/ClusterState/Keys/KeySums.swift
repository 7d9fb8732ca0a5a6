// What the keys add up to: by namespace and state, and by the day of their making.

import GateDomain

/// Sums of all keys as `order_keys.lua` keeps them: a moment behind calls and changes, and never a walk over all keys (decision 31).
package struct KeySums: Sendable, Equatable {
    /// Keys that are counted one by one, and so to the moment; of more the sums are read, which are a moment behind.
    package static let few = 2_000

    /// The states that are counted apart; of several the first (F-KEY-05).
    package enum State: String, Sendable, CaseIterable {
        /// For good.
        case revoked = "r"
        /// Until it is resumed.
        case suspended = "s"
        /// Neither suspended nor revoked, and its time is over.
        case expired = "e"
        /// May call.
        case active = "a"
    }

    /// Keys of one namespace in one state.
    package struct Row: Sendable, Hashable {
        /// What they have in common.
        package let state: State
        /// `others` for keys of namespaces that have no sums of their own.
        package let namespace: String

        /// - Parameter namespace: as the records have it.
        package init(_ state: State, in namespace: String) {
            self.state = state
            self.namespace = namespace
        }
    }

    /// What some keys add up to; a sum that no integer holds is the largest one.
    package struct Amounts: Sendable, Equatable {
        /// How many they are.
        package var keys = 0
        /// What they may spend.
        package var credits = 0
        /// What they have spent, without what is reserved.
        package var spent = 0
        /// Calls that they have made.
        package var calls = 0

        package init() {}
    }

    /// Keys that were made on one day (UTC), without those that are revoked or suspended.
    package struct Day: Sendable, Equatable {
        /// How many they are.
        package var keys = 0
        /// Those with a call at least.
        package var used = 0
        /// What they have spent.
        package var spent = 0

        package init() {}
    }

    /// By namespace and state.
    package private(set) var rows: [Row: Amounts] = [:]
    /// By days since 1970.
    package private(set) var days: [Int: Day] = [:]
    /// Milliseconds since 1970 of Redis TIME: what had happened by then is in them.
    package private(set) var asOf = 0

    /// Stands for the namespaces that have no room of their own; no namespace is called so.
    package static let others = "*"
    /// Raised when the sums mean something else.
    static let format = 1
    /// Fields of a shard's sums beyond which a new namespace is counted with the others: some 5,000 namespaces. A new day is from half as many on.
    static let mostFields = 20_000
    /// The field that says when the sums were last up to date.
    static let followed = "followed"
    /// Sums with fewer fields are read at once, others in parts of as many.
    private static let atOnce = 1000
    /// Rows of larger ones that are read together.
    private static let together = 150
    /// Counts the keys of all days that have no room of their own: 1970-01-01.
    static let otherDays = 0

    init() {}

    /// Reads the sums of all shards.
    /// - Returns: nil where they are still being made.
    /// - Throws: `StoreFailure`.
    package static func read(from store: any CommandStore) async throws(StoreFailure) -> KeySums? {
        let keys = store.keys
        var sums = KeySums()
        sums.asOf = try await store.sendPatiently(RedisCommand("HGET", keys.keyOrders(0), followed)).integer ?? 0
        let states = try await store.sendAll(
            (0..<keys.shards).flatMap {
                [RedisCommand("HMGET", keys.keySums($0), "format", "built"), RedisCommand("HLEN", keys.keySums($0))]
            })
        for shard in 0..<keys.shards {
            guard states[2 * shard].integer(at: 0) >= format, states[2 * shard].integer(at: 1) == 1 else { return nil }
            let isSmall = states[2 * shard + 1].integer ?? 0 <= atOnce
            for (field, value) in try await fields(of: keys.keySums(shard), atOnce: isSmall, in: store) { sums.add(field, value) }
        }
        return sums
    }

    private static func fields(of name: String, atOnce: Bool, in store: any CommandStore) async throws(StoreFailure) -> [String: String] {
        if atOnce { return try await store.sendPatiently(RedisCommand("HGETALL", name)).fields }
        var (rows, cursor): (Set<String>, String) = ([], "0")
        repeat {
            let page = try await store.sendPatiently(RedisCommand("HSCAN", name, cursor, "COUNT", String(Self.atOnce))).array ?? []
            for field in (page.last?.fields ?? [:]).keys {
                if let colon = field.firstIndex(of: ":") { rows.insert(String(field[field.index(after: colon)...])) }
            }
            cursor = page.first?.string ?? "0"
        } while cursor != "0"
        // What one change moves between two fields of a row, as a carry into the billions, is read by one command.
        var found: [String: String] = [:]
        let all = Array(rows)
        for start in stride(from: 0, to: all.count, by: together) {
            let names = all[start..<min(start + together, all.count)].flatMap { row in
                (row.hasPrefix("d:") ? ["n", "u", "s", "S"] : ["n", "c", "C", "s", "S", "k", "K"]).map { "\($0):\(row)" }
            }
            var command = RedisCommand("HMGET", name)
            for field in names { command.append(field) }
            for (field, value) in zip(names, try await store.sendPatiently(command).array ?? []) { found[field] = value.string }
        }
        return found
    }

    /// - Parameter field: what is counted, a state or `d`, and a namespace or day: `n:a:default`.
    private mutating func add(_ field: String, _ text: String) {
        let words = field.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard words.count == 3, let value = Int(text) else { return }
        if words[1] == "d" {
            guard let day = Int(words[2]) else { return }
            switch words[0] {
            case "n": days[day, default: Day()].keys += value
            case "u": days[day, default: Day()].used += value
            case "s", "S": days[day, default: Day()].spent.add(value, inBillions: words[0] == "S")
            default: break
            }
            return
        }
        guard let state = State(rawValue: words[1]) else { return }
        let row = Row(state, in: words[2])
        switch words[0] {
        case "n": rows[row, default: Amounts()].keys += value
        case "c", "C": rows[row, default: Amounts()].credits.add(value, inBillions: words[0] == "C")
        case "s", "S": rows[row, default: Amounts()].spent.add(value, inBillions: words[0] == "S")
        case "k", "K": rows[row, default: Amounts()].calls.add(value, inBillions: words[0] == "K")
        default: break
        }
    }
}

extension Int {
    /// Up to the largest one.
    fileprivate mutating func add(_ value: Int, inBillions isLarge: Bool) {
        let (product, isBeyond) = value.multipliedReportingOverflow(by: isLarge ? 1_000_000_000 : 1)
        self = saturating(adding: isBeyond ? .max : product)
    }
}
