// How many keys there are and what they hold: figures that need a walk over all keys, taken aside and remembered.

import ClusterState
import GateDomain

/// Counts in the background while somebody reads the figures; a reader gets the last count at once and never waits for a walk.
///
/// A walk is begun at most every 15 s, and rests four times as long as it works, so that a million keys never stand in the way of calls.
actor KeyTotals {
    private let keys: KeyDirectory
    private var count: KeyCount?
    private var nextWalk = ContinuousClock.now
    private var isWalking = false

    private static let interval = Duration.seconds(15)
    private static let restFactor = 4

    init(_ keys: KeyDirectory) {
        self.keys = keys
    }

    /// The last count; nil until the first walk has ended.
    func latest() -> KeyCount? {
        if !isWalking, ContinuousClock.now >= nextWalk {
            isWalking = true
            Task { await self.walk() }  // owned by this actor: one at a time, and it ends with the index
        }
        return count
    }

    private func walk() async {
        nextWalk = .now + Self.interval
        if let fresh = try? await Self.count(keys, at: WallClock.milliseconds) { count = fresh }
        isWalking = false
    }

    /// Keys that are counted while somebody waits.
    static let few = 2_000
    private static let mostNamespaces = 10_000

    /// One walk over all keys.
    /// - Parameter now: milliseconds since 1970.
    static func count(_ keys: KeyDirectory, at now: Int) async throws -> KeyCount {
        var count = KeyCount()
        try await keys.walk { ids in
            let start = ContinuousClock.now
            for key in try await keys.snapshots(ids, at: now) {
                count.all.add(key)
                let namespace = key.record.namespace
                if count.namespaces[namespace] != nil || count.namespaces.count < Self.mostNamespaces {
                    count.namespaces[namespace, default: KeyTally()].add(key)
                }
                guard key.record.state != .revoked else { continue }
                count.active += 1
                count.credits = count.credits.saturating(adding: key.account.credits)
            }
            if ids.count == KeyDirectory.stride { try await Task.sleep(for: (ContinuousClock.now - start) * restFactor) }
        }
        return count
    }
}

extension KeyTally {
    /// A state stands before those that follow it: revoked, suspended, expired, active (F-KEY-05).
    fileprivate mutating func add(_ key: KeySnapshot) {
        total += 1
        credits = credits.saturating(adding: key.account.credits)
        spent = spent.saturating(adding: key.account.spent)
        calls = calls.saturating(adding: key.account.calls)
        switch key.record.state {
        case .revoked: revoked += 1
        case .suspended: suspended += 1
        case .active where key.record.isExpired(at: key.readAt): expired += 1
        case .active: active += 1
        }
    }
}
