// One node of a history: the real ledger, membership and records, driven over a simulated link.

@testable import ClusterState
import GateDomain
import Logging
import NIOCore

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
    let teams: RecordStore<TeamRecord>
    let executor = NodeExecutor()
    var condition = Condition.running
    /// What it remembers of keys, however old.
    private let cache: KeyCache
    private let loop: SimulatedLoop
    /// The operator's rules as it has read them.
    private(set) var rules: GateRules
    private var isReadingRules = false
    /// Who waits for a key that is read, where an old rule lets them wait together.
    private var loading: [String: [(KeyLookup, Bool) -> Void]] = [:]
    /// Records that the change feed has told of and that this node has not heard of yet.
    var news: [String] = []
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
        teams = RecordStore(store: store, origin: name)
        let loop = SimulatedLoop(world, store)
        (self.loop, rules) = (loop, world.plan.rules)
        let newer = Newer()
        cache = KeyCache(
            link: NIOLoopBound(CacheLink(link, world), eventLoop: loop), on: loop, keys: world.keys, rules: world.plan.rules
        ) { _ in newer.node?.readRules() }
        newer.node = self
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

    /// The secret of a key.
    static func secret(of id: String) -> String { "secret of " + id }

    /// Finds a key as an event loop of the real node does.
    func identify(_ id: String, fresh: Bool, _ completion: @escaping (KeyLookup, Bool) -> Void) {
        let secret = Self.secret(of: id)
        if !fresh, let known = cache.assumeIsolated({ $0.remembered(secret) }) { return completion(.found(known), false) }
        if loading[id]?.append(completion) != nil { return }
        let joins = world.oldRule == .joinsOlderLoad
        if joins { loading[id] = [] }
        let answer = NIOLoopBound(
            { [self] (lookup: KeyLookup) in
                let joined = joins ? loading.removeValue(forKey: id) ?? [] : []
                for each in [completion] + joined { each(lookup, true) }
            }, eventLoop: loop)
        cache.assumeIsolated { $0.load(secret) { answer.value($0) } }
    }

    /// Reads the rules that hold until it has them, as the refresher of the real node does.
    func readRules() {
        guard !isReadingRules else { return }
        isReadingRules = true
        let (node, version) = (Unowned(self), RulesVersion(store: store, origin: name))
        start {
            let state = try? await version.read()
            node.value.haveRead(state)
        }
    }

    private func haveRead(_ state: RulesState?) {
        isReadingRules = false
        guard let state else { return world.later(200_000, of: self) { [self] in readRules() } }
        rules = world.plan.rules(max(state.version, rules.version))
        let adopted = rules
        cache.assumeIsolated { $0.adopt(adopted) }
    }

    func forget(_ id: String) { cache.assumeIsolated { $0.forget(key: id) } }
    func forgetAll() { cache.assumeIsolated { $0.forgetAll() } }
}

/// Whom a key cache tells of newer rules.
private final class Newer: @unchecked Sendable {
    // Only ever touched by the one thread that runs the history.
    weak var node: SimulatedNode?
}

private struct Unowned: @unchecked Sendable {
    // Only ever touched by the one thread that runs the history.
    unowned let value: SimulatedNode
    init(_ value: SimulatedNode) { self.value = value }
}

extension NodeIdentity {
    /// Every name that the node has had.
    var names: [String] {
        let count = Int(name.dropFirst(base.count + 1)) ?? 0
        return [base] + (1...max(1, count)).prefix(count).map { "\(base)+\($0)" }
    }
}
