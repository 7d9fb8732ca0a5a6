// How a key stands: its money, its limits, and what its calls have come to, as comparisons, health and dashboards tell it.

import ClusterState
import GateDomain
import HTTPTypes

/// A key with all that is known of it at one moment.
struct KeyStanding: Sendable {
    let key: KeyRecord
    let account: Account
    let quota: QuotaUse
    let rate: RateUse
    /// Of its calls in the hours that `KeyCalls.days` span.
    let calls: KeyCalls
    /// Milliseconds since 1970 of Redis TIME.
    let readAt: Int

    /// A state stands before those that follow it: revoked, suspended, expired, active (F-KEY-05).
    var status: String {
        switch key.state {
        case .revoked, .suspended: key.state.rawValue
        case .active: key.isExpired(at: readAt) ? "expired" : "active"
        }
    }

    /// Hundredths of credits an hour: what the last 24 hours have cost since it first spent anything in them, or was made.
    var centsPerHour: Int {
        guard calls.lastDay.credits > 0, let begin = calls.spentSince else { return 0 }
        let span = min(24 * KeyCalls.hour, max(KeyCalls.hour, readAt - max(begin, key.createdAt)))
        return Measure.Number.quotient(calls.lastDay.credits, by: span, times: KeyCalls.hour, decimals: 2).units
    }

    /// Hours for which the balance lasts if it goes on like this; nil where nothing is spent.
    var hoursLeft: Double? {
        calls.lastDay.credits > 0 ? Double(account.credits) * 100 / Double(max(1, centsPerHour)) : nil
    }

    /// Reads how some keys stand.
    /// - Throws: 503 where the sums of their calls cannot be read.
    static func read(_ records: [KeyRecord], _ parts: Parts, at now: Int) async throws -> [KeyStanding] {
        let rules = parts.rules.rules
        let calls = try await KeyCalls.read(of: records.map(\.id), in: parts.sums, at: now)
        var standings: [KeyStanding] = []
        for (key, calls) in zip(records, calls) {
            let (account, used) = try await parts.keys.accountWithQuota(key.id, at: now)
            standings.append(
                KeyStanding(
                    key: key, account: account, quota: QuotaUse(of: key, global: rules.globalQuota, used: used),
                    rate: try await RateUse.read(of: key, in: parts.keys, rules: rules), calls: calls, readAt: now))
        }
        return standings
    }

    /// Where it is read from.
    typealias Parts = (keys: KeyDirectory, rules: RuleBook, sums: RollupBook, events: EventLog)
}

/// What the calls of a key have come to, by the hourly sums: they follow the record of calls within about a second.
struct KeyCalls: Sendable, Equatable {
    /// Calls of some hours.
    struct Sum: Sendable, Equatable {
        var allowed = 0
        var denied = 0
        var credits = 0

        var total: Int { allowed + denied }
    }

    var all = Sum()
    /// Of this hour and the 23 before it.
    var lastDay = Sum()
    /// Milliseconds since 1970: the beginning of the first hour of the last day that has cost anything.
    var spentSince: Int?

    /// Days that sums of a key's calls are told of.
    static let days = 30
    /// Milliseconds.
    static let hour = 3_600_000

    mutating func add(_ sum: RollupSum, _ kind: RollupKind, hour: Int, isOfLastDay: Bool) {
        all.add(sum, kind)
        guard isOfLastDay else { return }
        lastDay.add(sum, kind)
        if sum.credits > 0 { spentSince = min(spentSince ?? .max, hour * Self.hour) }
    }

    /// - Returns: in the order of the ids.
    static func read(of ids: [String], in book: RollupBook, at now: Int) async throws -> [KeyCalls] {
        // Where so many keys call that nobody goes through a month of them for one, a day has to do.
        for days in [Self.days, 1] {
            do { return try await read(of: ids, in: book, days: days, at: now) } catch is RollupExcess { continue }
        }
        throw HTTPFailure(.serviceUnavailable, "The calls of a day have more hourly sums than are gone through for one key.")
    }

    private static func read(of ids: [String], in book: RollupBook, days: Int, at now: Int) async throws -> [KeyCalls] {
        let present = now / hour
        return try await book.read(from: now - days * 24 * hour, to: now + 1) { table in
            var places = [Int](repeating: -1, count: table.names.keys.count)
            for (number, key) in table.names.keys.enumerated() { places[number] = ids.firstIndex { $0.hasSameBytes(as: key) } ?? -1 }
            var found = ids.map { _ in KeyCalls() }
            for part in table.hours {
                for row in part.rows where places[Int(row.key)] >= 0 {
                    found[places[Int(row.key)]].add(
                        row.sum, table.names.kinds[Int(row.kind)], hour: part.hour, isOfLastDay: part.hour > present - 24)
                }
            }
            return found
        }
    }
}

extension KeyCalls.Sum {
    fileprivate mutating func add(_ sum: RollupSum, _ kind: RollupKind) {
        if kind.outcome == .denied { denied += Int(sum.calls) } else { allowed += Int(sum.calls) }
        credits = credits.saturating(adding: sum.credits)
    }
}
