// One node of a history: the real ledger, membership and records, driven over a simulated link.

@testable import ClusterState
import GateDomain
import Logging

final class SimulatedNode {
    enum Condition {
        case running
        /// Nothing of it moves, but the world does.
        case stopped
        case dead
    }

    let name: String
    let link: SimulatedLink
    let store: SimulatedStore
    let identity: NodeIdentity
    let clock: RedisClock
    let ledger: Ledger
    let membership: Membership
    let keyRecords: RecordStore<KeyRecord>
    let directory: KeyDirectory
    let executor = NodeExecutor()
    var condition = Condition.running
    /// Keys as this node remembers them, however old.
    var cache: [String: CachedKey] = [:]
    private unowned let world: World
    private var sequence = 0

    init(_ name: String, _ world: World) {
        self.name = name
        self.world = world
        link = SimulatedLink(world)
        store = SimulatedStore(keys: world.keys, link: link, world: world)
        identity = NodeIdentity(base: name)
        let time = Reference(world)
        clock = RedisClock(wall: world.redis.clock.microseconds) { time.value.now }
        ledger = Ledger(
            link: link, keys: world.keys, identity: identity, clock: clock, logger: Logger(label: name) { _ in SwiftLogNoOpLogHandler() })
        membership = Membership(
            store: store, identity: identity, clock: clock, refundUnknown: world.plan.refundsUnknown,
            logger: Logger(label: name) { _ in SwiftLogNoOpLogHandler() })
        keyRecords = RecordStore(store: store, origin: name)
        directory = KeyDirectory(store: store, origin: name)
    }

    func nextID() -> String {
        sequence += 1
        return "\(name).\(sequence)"
    }

    /// Starts something of its own that takes its time.
    func start(_ work: @escaping @Sendable () async -> Void) {
        // Owned by the node: its executor runs it, and nothing of it is left when the history ends.
        Task(executorPreference: executor) { await work() }
    }

    /// Everything that can be done at once is done.
    func settleDown() {
        guard condition == .running else { return }
        executor.run()
    }

    // MARK: Who calls

    /// Finds a key: remembered, or read in two steps as the node's cache does.
    func identify(_ id: String, fresh: Bool, _ completion: @escaping (CallView.Caller?, Bool) -> Void) {
        if !fresh, let known = cache[id] { return completion(.key(known.policy), false) }
        let keys = world.keys
        link.send(RedisCommand("HGETALL", keys.record(id))) { [self] result in
            guard case .success(let reply) = result else { return completion(nil, true) }
            guard let record = KeyRecord(id: id, fields: reply.fields) else { return completion(.unknown, true) }
            guard let team = record.teamID else { return remember(record, nil, completion) }
            link.send(RedisCommand("HGETALL", keys.record(team))) { [self] result in
                guard case .success(let reply) = result else { return completion(nil, true) }
                remember(record, TeamRecord(id: team, fields: reply.fields), completion)
            }
        }
    }

    private func remember(_ record: KeyRecord, _ team: TeamRecord?, _ completion: (CallView.Caller?, Bool) -> Void) {
        let known = CachedKey(Policy(key: record, team: team, rules: world.plan.rules), keys: world.keys)
        cache[record.id] = known
        completion(.key(known.policy), true)
    }
}

extension NodeIdentity {
    /// Every name that the node has had.
    var names: [String] {
        let count = Int(name.dropFirst(base.count + 1)) ?? 0
        return [base] + (1...max(1, count)).prefix(count).map { "\(base)+\($0)" }
    }
}
