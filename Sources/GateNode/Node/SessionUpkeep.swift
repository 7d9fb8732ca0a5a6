// Gives up what this node keeps for sessions that have ended, and for keys that hold no more, also where nobody has told it of that.

import ClusterState
import GateDomain
import MCPUpstream
import Synchronization

/// What a session has subscribed to, and the servers of its own, end with it; what a key has subscribed to ends with the key.
///
/// The end of a session by its client is told over the feed. What was told while this node did not hear the feed, and sessions that are over
/// because nobody has used them, are found by looking: every half minute, and at once when words of the feed may be missing or a key has changed.
/// Invariant: nothing is given up that the store does not say is over; while it does not answer, all stays as it is.
final class SessionUpkeep: Sendable {
    private let node: String
    private let store: RedisStore
    private let keys: KeyDirectory
    private let clock: RedisClock
    private let subscriptions: SubscriptionBook
    private let upstreams: UpstreamSet
    private let lent: LentSessions
    private let loops: LoopContexts
    private let lookedAt = Mutex<ContinuousClock.Instant?>(nil)

    private static let interval = Duration.seconds(30)
    /// Sessions, or keys, that are asked about at once.
    private static let atOnce = 200

    init(_ node: Node, loops: LoopContexts) {
        self.node = node.id
        (store, keys, clock) = (node.store, node.keys, node.clock)
        (subscriptions, upstreams, self.loops) = (node.subscriptions, node.upstreams, loops)
        lent = node.lentSessions
    }

    /// Whether it is time to look without being told.
    var isDue: Bool { lookedAt.withLock { $0.map { ContinuousClock.now - $0 >= Self.interval } ?? true } }

    /// A session is over.
    func end(_ session: String) {
        loops.settle(subscriptions.forget(session: session))
        for upstream in upstreams.all { upstream.end(session: session) }
    }

    /// Another node has taken over what a session has subscribed to here, or has ended it.
    func check(_ session: String) {
        guard subscriptions.holds(session: session) else { return }
        // Owned by nobody: it ends with the answer of the store, and the next look does the same.
        Task { try? await check([session]) }
    }

    /// Gives up what is not held here any more, and renews the rest.
    private func check(_ sessions: [String]) async throws {
        let facts = SubscriptionCommands(keys: store.keys, node: node)
        for start in stride(from: 0, to: sessions.count, by: Self.atOnce) {
            let page = sessions[start..<min(start + Self.atOnce, sessions.count)]
            // What is made after this is none of the answers' business.
            let held = page.map { subscriptions.subscriptions(of: $0).filter(\.subscription.subscriber.isOwned) }
            let replies = try await store.sendAll(page.map(facts.keep))
            for (held, reply) in zip(held, replies) {
                guard let kept = SubscriptionCommands.kept(reply).map({ Set($0.map(ExactText.init)) }) else { continue }
                loops.settle(
                    held.compactMap { subscription, number in
                        kept.contains(subscription.name) ? nil : subscriptions.remove(subscription, number: number)
                    })
            }
        }
    }

    /// Looks which of the sessions and keys that something is kept for are over.
    func look() async {
        lookedAt.withLock { $0 = .now }
        let (subscribed, holders) = subscriptions.subscribed
        for client in subscriptions.clients { for upstream in upstreams.all { upstream.keep(session: client.session) } }
        let sessions = subscribed.union(upstreams.all.flatMap(\.sessions)).filter(SessionMint.mayBeID)
        do {
            for id in try await over(Array(sessions)) {
                loops.apply(.record(.session, id: id))
                end(id)
            }
            for key in try await lost(holders) { loops.settle(subscriptions.forget(key: key)) }
            _ = try await store.send(lent.renewal)
            try await check(Array(subscribed.filter(SessionMint.mayBeID)))
        } catch {
            // The store is away: the next look finds the same.
        }
    }

    /// Those of the sessions that the store does not have, or has for longer than an unused one lives.
    private func over(_ sessions: [String]) async throws -> [String] {
        var over: [String] = []
        for (shard, ids) in Dictionary(grouping: sessions, by: store.keys.sessionShard) {
            for start in stride(from: 0, to: ids.count, by: Self.atOnce) {
                let page = Array(ids[start..<min(start + Self.atOnce, ids.count)])
                let now = clock.milliseconds
                let replies = try await store.sendAll(
                    [store.keys.sessions(shard), store.keys.guestSessions(shard)].map { list in
                        var command = RedisCommand("ZMSCORE", list)
                        for id in page { command.append(id) }
                        return command
                    })
                let scores = replies.map { $0.array ?? [] }
                guard scores.allSatisfy({ $0.count == page.count }) else { continue }
                over += page.indices.filter { index in
                    scores.allSatisfy { ($0[index].integer ?? 0) <= now - SessionMint.lifetime * 1000 }
                }.map { page[$0] }
            }
        }
        return over
    }

    /// Those of the keys that are revoked, over or gone. One that is suspended may go on where it was.
    func lost(_ ids: [String]) async throws -> [String] {
        var lost: [String] = []
        for start in stride(from: 0, to: ids.count, by: Self.atOnce) {
            let page = Array(ids[start..<min(start + Self.atOnce, ids.count)])
            let records = try await keys.records.read(page)
            let known = Dictionary(records.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
            lost += page.filter { id in known[id].map { $0.state == .revoked || $0.isExpired(at: clock.milliseconds) } ?? true }
        }
        return lost
    }
}
