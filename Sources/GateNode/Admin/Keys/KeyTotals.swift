// How many keys there are and what they hold: of few keys as they are, of many as their sums say.

import ClusterState
import GateDomain

/// Has the figures ready for the metrics, which never wait for them: they are read again in the background while somebody asks.
actor KeyTotals {
    private let keys: KeyDirectory
    private var count: KeyCount?
    private var nextReading = ContinuousClock.now
    private var isReading = false

    private static let interval = Duration.seconds(15)

    init(_ keys: KeyDirectory) {
        self.keys = keys
    }

    /// The last count; nil until there is one.
    func latest() -> KeyCount? {
        if !isReading, ContinuousClock.now >= nextReading {
            isReading = true
            Task { await self.read() }  // owned by this actor: one at a time, and it ends with the reading
        }
        return count
    }

    private func read() async {
        nextReading = .now + Self.interval
        if let fresh = try? await Self.count(keys, at: WallClock.milliseconds) { count = fresh }
        isReading = false
    }

    /// - Parameter now: milliseconds since 1970.
    /// - Returns: nil where there are many, and their sums are still being made.
    static func count(_ keys: KeyDirectory, at now: Int) async throws -> KeyCount? {
        let templates = try await keys.templates.count()
        guard try await keys.records.count() <= KeySums.few else {
            var count = try await KeySums.read(from: keys.store).map(KeyCount.init)
            count?.templates = templates
            return count
        }
        var count = KeyCount()
        (count.asOf, count.templates) = (now, templates)
        try await keys.walk { ids in
            for key in try await keys.snapshots(ids, at: now) { count.add(key) }
        }
        return count
    }
}

extension KeyCount {
    fileprivate init(_ sums: KeySums) {
        asOf = sums.asOf
        for (row, amounts) in sums.rows {
            all.add(amounts, row.state)
            if row.namespace != KeySums.others { namespaces[row.namespace, default: KeyTally()].add(amounts, row.state) }
            guard row.state != .revoked else { continue }
            active += amounts.keys
            credits = credits.saturating(adding: amounts.credits)
        }
    }

    fileprivate mutating func add(_ key: KeySnapshot) {
        var amounts = KeySums.Amounts()
        (amounts.keys, amounts.credits) = (1, key.account.credits)
        (amounts.spent, amounts.calls) = (key.account.spent, key.account.calls)
        let state = KeySums.State(of: key)
        all.add(amounts, state)
        namespaces[key.record.namespace, default: KeyTally()].add(amounts, state)
        guard state != .revoked else { return }
        active += 1
        credits = credits.saturating(adding: key.account.credits)
    }
}

extension KeySums.State {
    /// A state stands before those that follow it: revoked, suspended, expired, active (F-KEY-05).
    fileprivate init(of key: KeySnapshot) {
        switch key.record.state {
        case .revoked: self = .revoked
        case .suspended: self = .suspended
        case .active: self = key.record.isExpired(at: key.readAt) ? .expired : .active
        }
    }
}

extension KeyTally {
    fileprivate mutating func add(_ amounts: KeySums.Amounts, _ state: KeySums.State) {
        total += amounts.keys
        credits = credits.saturating(adding: amounts.credits)
        spent = spent.saturating(adding: amounts.spent)
        calls = calls.saturating(adding: amounts.calls)
        switch state {
        case .revoked: revoked += amounts.keys
        case .suspended: suspended += amounts.keys
        case .expired: expired += amounts.keys
        case .active: active += amounts.keys
        }
    }
}
