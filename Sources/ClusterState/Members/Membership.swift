// The nodes of the cluster: each says that it lives, hears who does not, and resolves what the dead left open.

import GateDomain
package import Logging
import LuaScripts
import Synchronization

/// Heartbeats, registration and reaping.
///
/// A node that is silent for `lifetime` is dead to the others. Whoever finds it so first shuts its name out of every shard, then resolves
/// what it has open there as *unknown*. Should it live after all, its own settlements learn what became of its holds, and it goes on under
/// a new name. The work grows with what the dead node has open, and with nothing else.
package final class Membership: Sendable {
    private let store: any CommandStore
    private let identity: NodeIdentity
    private let clock: RedisClock
    private let refundUnknown: Bool
    private let logger: Logger
    private let memberCount = Atomic<Int>(1)
    private let reapedCount = Atomic<Int>(0)
    private let isReaping = Atomic<Bool>(false)
    private let hasJoined = Atomic<Bool>(false)
    /// Names that this node had, and under which calls of its are still open.
    private let former = Mutex<[String]>([])
    /// Dead nodes of which Redis has refused to end a call, and the microseconds of uptime at which that is tried again.
    private let refused = Mutex<[String: Int]>([:])
    /// Microseconds between two tries.
    private static let refusedPause = 15_000_000

    static let interval = Duration.seconds(1)
    /// Milliseconds of silence after which a node counts as dead.
    static let lifetime = 4000
    /// Names that a node has at once besides its own; a call that never ends keeps one.
    private static let mostFormer = 8

    /// - Parameter refundUnknown: whether a call that nobody was answered gets its credits back.
    package init(store: any CommandStore, identity: NodeIdentity, clock: RedisClock, refundUnknown: Bool, logger: Logger) {
        self.store = store
        self.identity = identity
        self.clock = clock
        self.refundUnknown = refundUnknown
        self.logger = logger
    }

    /// Milliseconds since 1970 of Redis TIME, as last heard; for readings, never for decisions.
    package var now: Int { clock.milliseconds }
    /// Nodes that were alive at the last beat, this one among them.
    package var members: Int { memberCount.load(ordering: .relaxed) }
    /// Calls of dead nodes that this one has resolved, since its start.
    package var reaped: Int { reapedCount.load(ordering: .relaxed) }

    /// Beats until cancelled; reaping goes on beside it, however long it takes.
    package func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let dead = await sayAlive()
                if !dead.isEmpty { group.addTask { await self.resolve(dead) } }
                try? await Task.sleep(for: identity.needsNewName ? .milliseconds(20) : Self.interval)
            }
        }
    }

    /// One heartbeat, and the last wills of those that were found dead.
    package func beat() async {
        await resolve(sayAlive())
    }

    /// - Returns: the nodes that do not beat any more.
    private func sayAlive() async -> Set<String> {
        if identity.needsNewName {
            identity.takeNewName()
            hasJoined.store(false, ordering: .releasing)
            logger.warning("this node was taken for dead; it goes on under a new name", metadata: ["node": "\(identity.name)"])
        }
        let joins = !hasJoined.load(ordering: .acquiring) || !identity.mayOpenHolds
        guard let reply = try? await store.send(command(joins ? .join : .beat, identity.name)) else { return [] }
        clock.heard(reply.integer(at: 0))
        let members = reply.integer(at: 2)
        guard members > 0 else {
            identity.wasFenced(identity.name)
            return []
        }
        memberCount.store(members, ordering: .relaxed)
        if joins { await register() }
        for name in formerNames {
            // One that others have struck off is resolved already.
            guard let reply = try? await store.send(command(.beat, name)) else { break }
            if reply.integer(at: 2) == 0 { forget(former: name) }
        }
        return Set(reply.array?.dropFirst(3).compactMap(\.string) ?? [])
    }

    /// Makes the node's name one that may open holds, in every shard; it is on the list of nodes already.
    private func register() async {
        let name = identity.name
        guard await register(name) else { return }
        identity.wasRegistered(name)
        hasJoined.store(true, ordering: .releasing)
    }

    private func register(_ name: String) async -> Bool {
        let commands = (0..<store.keys.shards).map { RedisCommand("HSETNX", store.keys.open(name, $0), "!", "1") }
        return (try? await store.sendAll(commands)) != nil
    }

    // MARK: After a failover

    /// Names that this node had and has not left yet; it goes on beating under them.
    package var formerNames: [String] { former.withLock { $0 } }

    private func forget(former name: String) { former.withLock { $0.removeAll { $0 == name } } }

    /// Goes on under the next name, while calls that were opened under the present one come to their end under that.
    ///
    /// A primary that has died may have taken settlements along that it had acknowledged: their holds are open in its successor, and nobody
    /// knows of them. Under a name that opens nothing more they can be told from calls under way: they are what is left when these have ended.
    /// - Returns: whether it does.
    package func goOn() async -> Bool {
        guard formerNames.count < Self.mostFormer else { return false }
        let old = await identity.succeed { name in
            guard let reply = try? await store.send(command(.join, name)), reply.integer(at: 2) > 0 else { return false }
            return await register(name)
        }
        guard let old else { return false }
        former.withLock { $0.append(old) }
        logger.notice("the store has another primary; this node goes on under a new name", metadata: ["node": "\(identity.name)"])
        return true
    }

    /// Leaves a name under which this node has nothing open any more: whoever beats next resolves what is left there.
    package func leave(former name: String) async {
        guard (try? await store.send(command(.leave, name))) != nil else { return }
        forget(former: name)
    }

    /// Leaves the cluster in an orderly way: nobody has to wait for this node to be found dead.
    ///
    /// What it may have left open is resolved by whoever beats next.
    package func leave() async {
        for name in formerNames + [identity.name] { _ = try? await store.send(command(.leave, name)) }
    }

    /// The first names of the nodes that live, or have not been found dead yet.
    /// - Throws: why the store has not said.
    package static func living(in store: any CommandStore) async throws(StoreFailure) -> Set<String> {
        guard let names = try await store.send(RedisCommand("HKEYS", store.keys.nodes)).array else { throw .unknown }
        return Set(names.compactMap(\.string).map(NodeIdentity.base(of:)))
    }

    private enum Verb: String {
        case join, beat, leave, forget
    }

    private func command(_ verb: Verb, _ node: String) -> RedisCommand {
        var command = RedisCommand(script: .heartbeat, keys: 2)
        command.append(store.keys.nodes)
        command.append(store.keys.feed(0))
        command.append(node)
        command.append(Self.lifetime)
        command.append(store.keys.channel)
        command.append(verb.rawValue)
        return command
    }

    /// Whether it is time to end what a dead node has left: where Redis has refused that, somebody has to mend something first.
    private func mayResolve(_ node: String) -> Bool { refused.withLock { $0[node] ?? 0 } <= clock.uptime }

    private func resolve(_ dead: Set<String>) async {
        guard !dead.isEmpty, !isReaping.exchange(true, ordering: .acquiring) else { return }
        defer { isReaping.store(false, ordering: .releasing) }
        refused.withLock { $0 = $0.filter { dead.contains($0.key) } }
        for node in dead where mayResolve(node) {
            do {
                let ended = try await Reaper(store: store, node: node, refunds: refundUnknown).run()
                let resolved = ended.resolved
                reapedCount.add(resolved, ordering: .relaxed)
                if let refusal = ended.refusal {
                    refused.withLock { $0[node] = clock.uptime + Self.refusedPause }
                    logger.error(
                        "Redis refuses to end calls of a dead node; it is tried again until it does",
                        metadata: ["node": "\(node)", "error": "\(refusal)"])
                } else {
                    _ = try await store.send(command(.forget, node))
                    refused.withLock { $0[node] = nil }
                }
                if resolved > 0 {
                    logger.notice("calls of a dead node were resolved as unknown", metadata: ["node": "\(node)", "calls": "\(resolved)"])
                }
            } catch {
                logger.warning(
                    "open holds of a dead node are left for the next beat", metadata: ["node": "\(node)", "error": "\(error.sentence)"])
            }
        }
    }
}
