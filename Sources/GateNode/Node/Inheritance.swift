// What nodes that are gone have held at servers for others: subscriptions of sessions go on here, sessions at servers over HTTP are ended.

import ClusterState
import GateDomain
import GateSettings
import MCPUpstream

/// Looks every second whether a node is gone that may have held something, and takes that over; whichever node comes first.
///
/// A node is gone when no name of its is on the list of nodes: whoever found it dead has shut it out and ended its calls by then. What it held
/// is taken session by session, each by one node, and the rest again at the next look if the store was away. The work grows with the sessions
/// of the cluster, of which there are few (`SessionBook.capacity`).
struct Inheritance: Sendable {
    private let node: Node
    private let upkeep: SessionUpkeep
    private let loops: LoopContexts

    /// Sessions that are asked about at once.
    private static let atOnce = 100

    init(_ node: Node, upkeep: SessionUpkeep, loops: LoopContexts) {
        (self.node, self.upkeep, self.loops) = (node, upkeep, loops)
    }

    /// - Parameter now: milliseconds of Redis TIME.
    func look(at now: Int) async throws {
        let keys = node.store.keys
        let replies = try await node.store.sendAll([
            RedisCommand("SADD", keys.holders, node.id), RedisCommand("SMEMBERS", keys.holders),
        ])
        guard let holders = replies[1].array?.compactMap(\.string) else { return }
        // Whoever took this node for dead has struck it out, and has what it held.
        if replies[0].integer == 1 { await upkeep.look() }
        let living = try await Membership.living(in: node.store)
        for dead in holders where dead != node.id && !living.contains(dead) {
            // What was held by one before it may have taken long.
            guard try await !Membership.living(in: node.store).contains(dead) else { continue }
            try await takeSubscriptions(of: dead, at: now)
            try await node.lentSessions.end(of: dead, at: node.upstreams)
            _ = try await node.store.send(RedisCommand("SREM", keys.holders, dead))
        }
    }

    private func takeSubscriptions(of dead: String, at now: Int) async throws {
        let keys = node.store.keys
        let facts = SubscriptionCommands(keys: keys, node: node.id)
        for shard in 0..<keys.shards {
            let listed = try await node.store.send(
                RedisCommand("ZRANGEBYSCORE", keys.sessions(shard), String(now - SessionMint.lifetime * 1000), "+inf"))
            let sessions = listed.array?.compactMap(\.string) ?? []
            for start in stride(from: 0, to: sessions.count, by: Self.atOnce) {
                let page = sessions[start..<min(start + Self.atOnce, sessions.count)]
                let replies = try await node.store.sendAll(page.map { facts.inherit($0, from: dead) })
                for (session, reply) in zip(page, replies) {
                    // What the store has not told is asked for again at the next look.
                    guard let taken = SubscriptionCommands.inherited(reply) else { throw StoreFailure.unknown }
                    try await take(taken, of: session, facts, now)
                }
            }
        }
    }

    private func take(
        _ subscriptions: [(resource: String, value: [UInt8])], of session: String, _ facts: SubscriptionCommands, _ now: Int
    ) async throws {
        let known = subscriptions.compactMap { entry in SubscriptionFact(entry.value).map { (resource: entry.resource, fact: $0) } }
        guard !known.isEmpty else { return }
        let lost = Set(try await upkeep.lost(Array(Set(known.map(\.fact.key)))))
        for (resource, fact) in known {
            guard !lost.contains(fact.key) else {
                _ = try await node.store.send(facts.leave(resource, of: session))
                continue
            }
            let client = client(of: session, fact, now)
            loops.one { $0.inherit(fact, resource, of: session, client) }
        }
    }

    /// For whom servers keep something of its own in a session.
    private func client(of session: String, _ fact: SubscriptionFact, _ now: Int) -> UpstreamClient? {
        guard let (_, _, capabilities) = node.sessions.mint.read(session, now: now / 1000),
            node.settings.isolation.isolates(capabilities)
        else { return nil }
        return UpstreamClient(session: session, key: fact.key, capabilities: capabilities)
    }
}
