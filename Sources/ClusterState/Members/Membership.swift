// The nodes of the cluster: each says that it lives, hears who does not, and resolves what the dead left open.

import GateDomain
package import Logging
import LuaScripts
import Synchronization

/// Heartbeats and reaping.
///
/// A node that is silent for `lifetime` is dead to the others: its open holds are resolved as *unknown* (`design.md` 5). Should it live
/// after all, its own settlements find the holds gone and it answers no success, so nothing is charged twice or served unpaid.
package final class Membership: Sendable {
    private let store: RedisStore
    private let nodeID: String
    private let refundUnknown: Bool
    private let logger: Logger
    private let clock = Mutex(ClockOffset())
    private let memberCount = Atomic<Int>(1)
    private let reapedCount = Atomic<Int>(0)
    private let isReaping = Atomic<Bool>(false)

    static let interval = Duration.seconds(1)
    /// Milliseconds of silence after which a node counts as dead.
    static let lifetime = 4000
    /// Seconds for which an abandoned hold is remembered; no command is under way for so long.
    static let tombstoneSeconds = 600

    /// - Parameter refundUnknown: whether a call that nobody was answered gets its credits back.
    package init(store: RedisStore, nodeID: String, refundUnknown: Bool, logger: Logger) {
        self.store = store
        self.nodeID = nodeID
        self.refundUnknown = refundUnknown
        self.logger = logger
    }

    /// Milliseconds since 1970 of Redis TIME, as last heard; for readings, never for decisions.
    package var now: Int { clock.withLock { $0.now } }
    package var members: Int { memberCount.load(ordering: .relaxed) }
    package var reaped: Int { reapedCount.load(ordering: .relaxed) }

    /// Beats until cancelled; reaping goes on beside it, however long it takes.
    package func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let dead = await sayAlive()
                if !dead.isEmpty { group.addTask { await self.resolve(dead) } }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// One heartbeat, and the last wills of those that were found dead.
    package func beat() async {
        await resolve(sayAlive())
    }

    /// - Returns: the nodes that do not beat any more.
    private func sayAlive() async -> Set<String> {
        guard let reply = try? await store.send(command(.beat, nodeID)) else { return [] }
        clock.withLock { $0.heard(reply.integer(at: 0) / 1000) }
        memberCount.store(max(1, reply.integer(at: 2)), ordering: .relaxed)
        return Set(reply.array?.dropFirst(3).compactMap(\.string) ?? [])
    }

    private func resolve(_ dead: Set<String>) async {
        guard !dead.isEmpty, !isReaping.exchange(true, ordering: .acquiring) else { return }
        defer { isReaping.store(false, ordering: .releasing) }
        do {
            try await reap(dead)
            for node in dead { _ = try await store.send(command(.forget, node)) }
        } catch {
            logger.warning("open holds of dead nodes are left for the next beat", metadata: ["error": "\(error.sentence)"])
        }
    }

    /// Leaves the cluster in an orderly way: nobody has to wait for this node to be found dead.
    ///
    /// What it may have left open is resolved by whoever beats next.
    package func leave() async {
        _ = try? await store.send(command(.leave, nodeID))
    }

    private enum Verb: String {
        case beat, leave, forget
    }

    private func command(_ verb: Verb, _ node: String) -> RedisCommand {
        var command = RedisCommand(script: .beat, keys: 2)
        command.append(store.keys.nodes)
        command.append(store.keys.feed)
        command.append(node)
        command.append(Self.lifetime)
        command.append(store.keys.channel)
        command.append(verb.rawValue)
        return command
    }

    private func reap(_ dead: Set<String>) async throws(StoreFailure) {
        let accounts = try await store.send(RedisCommand("SMEMBERS", store.keys.holding)).array?.compactMap(\.string) ?? []
        for account in accounts {
            try await reap(account, of: dead)
            try await unlist(account)
        }
    }

    private func reap(_ account: String, of dead: Set<String>) async throws(StoreFailure) {
        let holds = try await store.send(RedisCommand("HGETALL", store.keys.hold(account))).fields
        let orphans = holds.compactMapValues(HoldNote.init(packed:)).filter { dead.contains($0.value.node) }
        guard !orphans.isEmpty else { return }
        let record = try await store.send(RedisCommand("HGETALL", store.keys.record(account))).fields
        guard let key = KeyRecord(id: account, fields: record) else { return }
        let facts = KeyFacts(key, keys: store.keys)
        for (hold, note) in orphans {
            let orphan = Settlement(orphan: hold, note: note, facts: facts, refund: refundUnknown)
            let reply = try await store.send(Ledger.command(for: [orphan], keys: store.keys))
            guard reply.integer(at: 0) == 1 else { continue }
            reapedCount.add(1, ordering: .relaxed)
            logger.notice("a call of a dead node was resolved as unknown", metadata: ["node": "\(note.node)", "request": "\(note.event.requestID)"])
        }
    }

    private func unlist(_ account: String) async throws(StoreFailure) {
        var command = RedisCommand(script: .unlist, keys: 3)
        for key in [store.keys.balance(account), store.keys.hold(account), store.keys.holding] { command.append(key) }
        command.append(account)
        command.append(Self.tombstoneSeconds)
        _ = try await store.send(command)
    }
}

/// Redis's wall clock, carried on by this node's monotonic one between heartbeats.
private struct ClockOffset {
    private var heardAt = ContinuousClock.now
    private var time: Int?

    mutating func heard(_ milliseconds: Int) {
        heardAt = .now
        time = milliseconds
    }

    var now: Int {
        guard let time else { return WallClock.milliseconds }
        return time + Int((ContinuousClock.now - heardAt) / .milliseconds(1))
    }
}
