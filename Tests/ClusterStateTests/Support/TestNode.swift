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
    var facts: KeyFacts
    var hold = "hold-" + RandomHex.digits(12)
    var price = 1
    var calls = 1
    var limits: [(limit: Limit, cost: Int)] = []
    var idempotency: Idempotency?
    var dry = false
    var node = "node-a"

    func request() -> AdmissionRequest {
        AdmissionRequest(
            facts: facts, hold: hold, price: price, calls: calls, limits: limits,
            note: HoldNote(node: node, price: price, calls: calls, idempotencyKey: idempotency?.key ?? "", event: event(.unknown)),
            idempotency: idempotency, dry: dry)
    }

    func event(_ outcome: CallEvent.Outcome) -> CallEvent {
        CallEvent(
            keyID: facts.record.id, keyName: "name", keyPrefix: "pg_", keyMasked: "pg_...", namespace: "default", tool: "search",
            outcome: outcome, milliseconds: 3, requestID: "req-" + hold)
    }

    func settlement(charges: [(base: Int, surcharge: Int)], returned: Int, answer: [UInt8]?) -> Settlement {
        Settlement(
            Hold(request()), returned: returned,
            charges: charges.map { Settlement.Charge(base: $0.base, surcharge: $0.surcharge, event: event(.ok)) }, answer: answer)
    }
}

struct TestNode: Sendable {
    let store: RedisStore
    let keys: RedisKeys
    let directory: KeyDirectory
    let loop: any EventLoop
    let link: NIOLoopBound<RedisLink>
    private let ledger: NIOLoopBound<Ledger>

    /// - Parameter prefix: shared by the nodes of one cluster; a new one by default.
    init(
        on given: RedisServer? = nil, prefix: String = "t\(RandomHex.digits(8)):", id: String = "node-a"
    ) async throws {
        let server = if let given { given } else { try await RedisServer.shared.value }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let keys = RedisKeys(prefix: prefix)
        let store = try await RedisStore(
            connector: RedisConnector(RedisTarget(unixSocket: server.socket)), keys: keys, loops: [loop], logger: .silent)
        self.store = store
        self.keys = keys
        self.loop = loop
        guard let link = store.link(of: loop) else { throw StoreFailure.unknown }
        self.link = link
        ledger = try await loop.submit { NIOLoopBound(Ledger(link: link.value, keys: keys, nodeID: id), eventLoop: loop) }.get()
        directory = KeyDirectory(store: store, origin: id)
        try await eventually { await store.isReachable }
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

    /// Runs a script by hand.
    func run(_ script: LuaScript, keys: [String], _ arguments: [String]) async throws(StoreFailure) -> RedisReply {
        var command = RedisCommand(script: script, keys: keys.count)
        for word in keys + arguments { command.append(word) }
        return try await store.send(command)
    }

    // MARK: Keys

    func makeKey(credits: Int, spendingLimit: Int = 0, expiresAt: Int? = nil, secret: String = Credential.generate()) async throws -> KeyFacts {
        let record = KeyRecord(
            id: "key_" + RandomHex.digits(16), name: "name", prefix: Credential.shortMask(secret), masked: Credential.longMask(secret),
            createdAt: 1_700_000_000_000, expiresAt: expiresAt, spendingLimit: spendingLimit)
        try await directory.create(record, secret: secret, credits: credits, audit: .test)
        return KeyFacts(record, keys: keys)
    }

    func account(_ facts: KeyFacts) async throws -> Account { try await directory.account(facts.record.id) }

    func credits(_ facts: KeyFacts) async throws -> Int { try await account(facts).credits }

    func openHolds(_ facts: KeyFacts) async throws -> Int { try await send("HLEN", facts.hold).integer ?? -1 }

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

    func settle(
        _ call: TestCall, _ charges: [(base: Int, surcharge: Int)]? = nil, returned: Int = 0, answer: [UInt8]? = nil
    ) async -> Settled {
        await onLoop {
            $0.settle(call.settlement(charges: charges ?? [(call.price, 0)], returned: returned, answer: answer), $1)
        }
    }

    func release(_ call: TestCall, _ charges: [(base: Int, surcharge: Int)]? = nil) async -> Settled {
        await onLoop { $0.settle(call.settlement(charges: charges ?? [(call.price, 0)], returned: 0, answer: nil).released, $1) }
    }

    func abandon(_ call: TestCall) async -> Settled {
        await onLoop { $0.settle(Settlement(abandoning: Hold(call.request())), $1) }
    }

    /// Settles until Redis has acknowledged it or the caller gives up, as a node does; then gives the hold back.
    func settlePatiently(_ call: TestCall, _ charges: [(base: Int, surcharge: Int)]) async -> Settled {
        let deadline = ContinuousClock.now + .milliseconds(900)
        while ContinuousClock.now < deadline {
            let settled = await settle(call, charges)
            guard case .failed = settled else { return settled }
            try? await Task.sleep(for: .milliseconds(20))
        }
        await withLedger { $0.keepTrying(call.settlement(charges: charges, returned: 0, answer: nil).released) }
        return .gone
    }

    func withLedger<Value: Sendable>(_ body: @escaping @Sendable (Ledger) -> Value) async -> Value? {
        try? await loop.submit { [ledger] in body(ledger.value) }.get()
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

    private func onLoop<Value: Sendable>(_ body: @escaping @Sendable (Ledger, @escaping (Value) -> Void) -> Void) async -> Value {
        await withCheckedContinuation { continuation in
            loop.execute { [ledger] in body(ledger.value) { continuation.resume(returning: $0) } }
        }
    }
}

extension AuditEntry {
    static let test = AuditEntry(type: "test", actor: "test", message: "test", metadata: [])
}

extension Admission {
    var isAdmitted: Bool { if case .admitted = self { true } else { false } }

    /// A short word for comparing.
    var word: String {
        switch self {
        case .admitted: "admitted"
        case .stale: "stale"
        case .denied(let denial, _): denial.label.rawValue
        case .running: "running"
        case .replay(let answer): "replay " + String(decoding: answer, as: UTF8.self)
        case .conflict: "conflict"
        case .failed(let failure): "failed \(failure)"
        }
    }

    var credits: Int? {
        switch self {
        case .admitted(let credits, _): credits
        case .denied(_, let credits): credits
        default: nil
        }
    }

    var windows: [(remaining: Int, reset: Int)] {
        if case .admitted(_, let windows) = self { windows } else { [] }
    }

    var wait: Int? {
        if case .denied(.rateLimited(let wait), _) = self { wait } else { nil }
    }
}

extension Settled {
    var charged: Int? { if case .done(_, let charged) = self { charged } else { nil } }
    var credits: Int? { if case .done(let credits, _) = self { credits } else { nil } }
    var isGone: Bool { if case .gone = self { true } else { false } }
}
