// A node as tests drive it: one event loop, one link, one ledger, no transport.

@testable import ClusterState
import GateDomain
import GateTesting
import Logging
import LuaScripts
import NIOCore
import NIOPosix
import Testing

/// One call as a test asks for it.
struct TestCall: Sendable {
    var caller: CachedKey
    var hold = "hold-" + RandomHex.digits(12)
    var price = 1
    var calls = 1
    var limits: [(limit: Limit, amount: Int)] = []
    var idempotency: Idempotency?
    var dry = false

    func request() -> AdmissionRequest {
        AdmissionRequest(
            caller: caller, hold: hold, price: price, calls: calls, limits: limits, event: event(.unknown), idempotency: idempotency,
            dry: dry)
    }

    func event(_ outcome: CallEvent.Outcome) -> CallEvent {
        CallEvent(keyID: caller.record.id, tool: "search", outcome: outcome, milliseconds: 3, requestID: "req-" + hold)
    }
}

struct TestNode: Sendable {
    let store: RedisStore
    let keys: RedisKeys
    let directory: KeyDirectory
    let loop: any EventLoop
    let link: NIOLoopBound<RedisLink>
    /// The same link, as what is above it sees it.
    let way: NIOLoopBound<any StoreLink>
    let identity: NodeIdentity
    let clock: RedisClock
    private let ledger: NIOLoopBound<Ledger>
    private let flaky: NIOLoopBound<FlakyLink>?

    /// A node whose name may open holds in every shard.
    /// - Parameters:
    ///   - port: where it reaches its Redis, if not by its socket.
    ///   - prefix: shared by the nodes of one cluster; a new one by default.
    ///   - isFlaky: whether the ledger's way to Redis loses, repeats and reorders.
    init(
        on given: RedisServer? = nil, port: Int? = nil, prefix: String = "t\(RandomHex.digits(8)):", id: String = "node-a", shards: Int = 1,
        database: Int = 0,
        isFlaky: Bool = false
    ) async throws {
        let server = if let given { given } else { try await RedisServer.shared.value }
        var target = port.map { RedisTarget(address: .tcp(host: "127.0.0.1", port: $0)) } ?? RedisTarget(unixSocket: server.socket)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let keys = RedisKeys(prefix: prefix, database: database, shards: shards)
        target.database = database
        let store = try await RedisStore(connector: RedisConnector(target), keys: keys, loops: [loop], logger: .silent)
        let (identity, clock) = (NodeIdentity(base: id), RedisClock())
        self.store = store
        self.keys = keys
        self.loop = loop
        self.identity = identity
        self.clock = clock
        guard let way = store.link(of: loop) else { throw StoreFailure.unknown }
        let link = try await loop.submit {
            guard let link = way.value as? RedisLink else { throw StoreFailure.unknown }
            return NIOLoopBound(link, eventLoop: loop)
        }.get()
        (self.link, self.way) = (link, way)
        let flaky = isFlaky ? try await loop.submit { NIOLoopBound(FlakyLink(link.value), eventLoop: loop) }.get() : nil
        self.flaky = flaky
        ledger = try await loop.submit {
            NIOLoopBound(
                Ledger(link: flaky?.value ?? link.value, keys: keys, identity: identity, clock: clock, logger: .silent), eventLoop: loop)
        }.get()
        directory = KeyDirectory(store: store, origin: id)
        try await eventually { await store.isReachable }
        _ = try await store.sendAll((0..<shards).map { RedisCommand("HSETNX", keys.open(id, $0), "!", "1") })
        identity.wasRegistered(id)
    }

    /// Its heartbeat, under the name that it has.
    func membership(refund: Bool = true) -> Membership {
        Membership(store: store, identity: identity, clock: clock, refundUnknown: refund, logger: .silent)
    }

    // MARK: Plain commands

    @discardableResult
    func send(_ words: String...) async throws(StoreFailure) -> RedisReply {
        try await send(words)
    }

    @discardableResult
    func send(_ words: [String]) async throws(StoreFailure) -> RedisReply {
        var command = RedisCommand()
        for word in words { command.append(word) }
        return try await store.sendPatiently(command)
    }

    /// Sends a command once, whatever comes of it.
    func result(of command: RedisCommand) async -> Result<RedisReply, StoreFailure> {
        do throws(StoreFailure) { return .success(try await store.send(command)) } catch { return .failure(error) }
    }

    /// Runs a script by hand.
    @discardableResult
    func run(_ script: LuaScript, keys: [String], _ arguments: [String]) async throws(StoreFailure) -> RedisReply {
        var command = RedisCommand(script: script, keys: keys.count)
        for word in keys + arguments { command.append(word) }
        return try await store.send(command)
    }

    // MARK: Keys

    /// - Parameter home: where the key lives; nil spreads it by chance.
    func makeKey(
        credits: Int, spendingLimit: Int = 0, expiresAt: Int? = nil, secret: String = Credential.generate(), team: TeamRecord? = nil,
        home: UInt32? = nil
    ) async throws -> CachedKey {
        let record = KeyRecord(
            id: AccountID.make("key", home: home).text, name: "name", prefix: Credential.shortMask(secret),
            masked: Credential.longMask(secret),
            createdAt: 1_700_000_000_000, expiresAt: expiresAt, spendingLimit: spendingLimit, teamID: team?.id)
        try await directory.create(record, secret: secret, credits: credits, .test())
        return CachedKey(Policy(key: record, team: team, rules: .test), keys: keys)
    }

    func makeTeam(budget: Int = 0, home: UInt32? = nil) async throws -> TeamRecord {
        let team = TeamRecord(id: AccountID.make("team", home: home).text, name: "team", budget: budget, createdAt: 1)
        try await RecordStore<TeamRecord>(store: store, origin: "test").create(team, .test())
        return team
    }

    /// Changes a key and leaves what was judged before it stale.
    func change(_ caller: CachedKey, _ change: (inout KeyRecord) -> Void = { $0.name = "new" }) async throws {
        _ = try await directory.records.edit(caller.record.id, .test()) { (record) throws(RecordRefusal) in change(&record) }
    }

    /// - Parameter place: which account of the policy.
    func account(_ caller: CachedKey, _ place: Int = 0) async throws -> Account {
        Account(try await send("HMGET", caller.accounts[place], "credits", "spent", "calls", "used"))
    }

    func credits(_ caller: CachedKey) async throws -> Int { try await account(caller).credits }

    /// The state of a calendar, lifetime or in-flight meter, as it is stored; nil if nothing was counted.
    func meter(_ name: String, _ caller: CachedKey, _ place: Int = 0) async throws -> String? {
        try await send("HGET", caller.accounts[place], "m:" + name).string
    }

    /// What a node has in all shards besides the word that it may open holds: open holds, and marks of closed ones.
    func holds(of name: String? = nil) async throws -> (open: Int, marks: Int) {
        var (open, marks) = (0, 0)
        for shard in 0..<keys.shards {
            for value in try await send("HVALS", keys.open(name ?? identity.name, shard)).array ?? [] {
                guard case .bytes(let bytes) = value else { continue }
                if bytes.first == UInt8(ascii: "o") { open += 1 }
                if bytes.first == UInt8(ascii: "d") { marks += 1 }
            }
        }
        return (open, marks)
    }

    func openHolds(of name: String? = nil) async throws -> Int { try await holds(of: name).open }

    func events() async throws -> [LoggedCall] { try await EventLog(store: store).pages().reduce(into: []) { $0 += $1 } }

    /// Microseconds of Redis TIME.
    func time() async throws -> Int {
        let reply = try await send("TIME")
        return reply.integer(at: 0) * 1_000_000 + reply.integer(at: 1)
    }

    // MARK: Money

    func admit(_ call: TestCall) async -> Admission {
        await onLoop { $0.admit(call.request(), $1) }
    }

    /// Until when the hold of an admitted call says that its admission may be carried out, in milliseconds.
    func admittedUntil(_ call: TestCall) async -> Int? {
        await onLoop { (ledger, done: @escaping (Int?) -> Void) in
            ledger.admit(call.request()) { _, hold in
                if let hold { done(hold.admissibleUntil) } else { done(nil) }
            }
        }
    }

    /// Admissions that leave in one tick, and so in one script for each shard.
    func admit(together calls: [TestCall]) async -> [Admission] {
        let promises = calls.map { _ in loop.makePromise(of: Admission.self) }
        loop.execute { [ledger] in
            for (call, promise) in zip(calls, promises) {
                ledger.value.admit(call.request()) { admission, _ in promise.succeed(admission) }
            }
        }
        var admissions: [Admission] = []
        for promise in promises { admissions.append((try? await promise.futureResult.get()) ?? .conflict) }
        return admissions
    }

    func settle(
        _ call: TestCall, _ charges: [(base: Int, surcharge: Int)]? = nil, returned: Int = 0, answer: [UInt8]? = nil
    ) async -> Settled {
        let settlement = SettlementBox(settlement(call, charges, returned: returned, answer: answer))
        return await onLoop { $0.settle(settlement.settlement, $1) }
    }

    func release(_ call: TestCall, _ charges: [(base: Int, surcharge: Int)]? = nil) async -> Settled {
        let settlement = SettlementBox(settlement(call, charges).released)
        return await onLoop { $0.settle(settlement.settlement, $1) }
    }

    func abandon(_ call: TestCall) async -> Settled {
        let settlement = SettlementBox(abandonment(call))
        return await onLoop { $0.settle(settlement.settlement, $1) }
    }

    func settlement(
        _ call: TestCall, _ charges: [(base: Int, surcharge: Int)]? = nil, returned: Int = 0, answer: [UInt8]? = nil, until: Int? = nil
    ) -> Settlement {
        Settlement(
            Hold(call.request(), node: identity.name, admissibleUntil: until ?? clock.milliseconds + Ledger.admissible), returned: returned,
            charges: (charges ?? [(call.price, 0)]).map {
                Charge(base: $0.base, surcharge: $0.surcharge, event: call.event(.ok))
            },
            answer: answer)
    }

    func abandonment(_ call: TestCall, until: Int? = nil) -> Settlement {
        Settlement(abandoning: Hold(call.request(), node: identity.name, admissibleUntil: until ?? clock.milliseconds + Ledger.admissible))
    }

    /// The command of an admission in the key's own shard as it lies on the wire; may be sent late, twice, or in another order.
    func command(admitting calls: [TestCall], until: Int? = nil) -> RedisCommand {
        let parts = calls.map {
            AdmissionPart(
                request: $0.request(), accounts: Array($0.caller.accounts.indices),
                admissibleUntil: until ?? clock.milliseconds + Ledger.admissible,
                isPrimary: true)
        }
        let now = clock.microseconds
        return AdmissionPart.command(for: parts, node: identity.name, shard: calls[0].caller.shards[0], keys: keys, at: now)
    }

    func command(settling settlements: [Settlement], acknowledging done: [String] = []) -> RedisCommand {
        let shard = settlements.first?.caller.shards[0] ?? 0
        return SettlementPart.command(
            for: settlements.map { SettlementPart(settlement: $0, accounts: Array($0.caller.accounts.indices)) },
            acknowledging: done.map { Acknowledgement(node: identity.name, hold: $0, admissibleUntil: 0, closedAt: 0) }, shard: shard,
            keys: keys, releasableUntil: clock.milliseconds + Ledger.releasable)
    }

    /// Settles until Redis has acknowledged it or the caller gives up, as a node does; then gives the hold back.
    func settlePatiently(_ call: TestCall, _ charges: [(base: Int, surcharge: Int)]) async -> Settled {
        let deadline = ContinuousClock.now + .milliseconds(900)
        while ContinuousClock.now < deadline {
            let settled = await settle(call, charges)
            guard case .failed = settled else { return settled }
            try? await Task.sleep(for: .milliseconds(20))
        }
        let settlement = SettlementBox(settlement(call, charges).released)
        await withLedger { $0.keepTrying(settlement.settlement) }
        return .gone
    }

    func giveUp(_ call: TestCall) async {
        let until = clock.milliseconds + Ledger.admissible
        await withLedger { [identity] in $0.abandon(Hold(call.request(), node: identity.name, admissibleUntil: until)) }
    }

    func withLedger<Value: Sendable>(_ body: @escaping @Sendable (Ledger) -> Value) async -> Value? {
        try? await loop.submit { [ledger] in body(ledger.value) }.get()
    }

    /// Lets everything arrive from here on, and waits until what is late has come.
    func heal() async throws {
        guard let flaky else { return }
        try await loop.submit { flaky.value.isHealed = true }.get()
        try await eventually { try await loop.submit { flaky.value.pending == 0 }.get() }
    }

    /// Waits until everything that is owed to Redis has reached it.
    func drain(within limit: Duration = .seconds(10)) async throws {
        try await eventually(within: limit) {
            await withLedger { ledger in
                ledger.retryUnacknowledged()
                return ledger.backlog == 0
            } == true
        }
        try await eventually(within: limit) {
            try await loop.submit { [link] in link.value.waiters.isEmpty && link.value.resending.isEmpty }.get()
        }
    }

    /// Waits until the marks of all closed holds may be forgotten, and has them forgotten.
    func forgetMarks(within limit: Duration = .seconds(25)) async throws {
        try await eventually(within: limit) {
            await withLedger { ledger in
                ledger.sweep()
                return ledger.marks == 0
            } == true
        }
        try await drain(within: limit)
    }

    private func onLoop<Value: Sendable>(_ body: @escaping @Sendable (Ledger, @escaping (Value) -> Void) -> Void) async -> Value {
        await withCheckedContinuation { continuation in
            loop.execute { [ledger] in body(ledger.value) { continuation.resume(returning: $0) } }
        }
    }

    private func onLoop(_ body: @escaping @Sendable (Ledger, @escaping Ledger.Admitted) -> Void) async -> Admission {
        await withCheckedContinuation { continuation in
            loop.execute { [ledger] in body(ledger.value) { admission, _ in continuation.resume(returning: admission) } }
        }
    }
}

/// A settlement on its way to its event loop: built from Sendable values, used once.
private struct SettlementBox: @unchecked Sendable {
    // Unchecked: a settlement is immutable, and every part of it is Sendable.
    let settlement: Settlement

    init(_ settlement: Settlement) { self.settlement = settlement }
}

extension GateRules {
    static let test = GateRules(prices: PriceBook(defaultPerCall: 1, tools: [:]))
}

extension AuditEntry {
    static let test = AuditEntry(type: "test", actor: "test", message: "test", metadata: [])
}

extension ClusterState.Operation {
    static func test(_ id: String? = nil, _ fingerprint: String = "") -> ClusterState.Operation {
        ClusterState.Operation(id: id, fingerprint: fingerprint, audit: .test)
    }
}
