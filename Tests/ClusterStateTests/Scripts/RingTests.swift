// The exact window: judged over the whole trace of admissions, at the microsecond that Redis gave each.

@testable import ClusterState
import Foundation
import GateDomain
import Testing

@Suite("Sliding windows")
struct RingTests {
    private static let window = 40_000

    private static func limit(_ cap: Int, window: Int = window, name: String = "calls") -> Limit {
        Limit(name: name, window: .rolling(window), cap: cap)
    }

    /// One admission, or one refusal, of a trace.
    private struct Step {
        let time: Int
        let cost: Int
        let cap: Int
    }

    @Test("No window ever holds more than its cap, and nobody is refused while there is room (R14, R15)", arguments: 0..<(isLong ? 10 : 6))
    func randomSchedule(seed: Int) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1_000_000)
        var cap = Int.random(in: 1...7)
        var admitted: [Step] = []
        for _ in 0..<(Self.isLong ? 600 : 120) {
            if Int.random(in: 0..<12) == 0 { cap = Int.random(in: 1...9) }
            let cost = Int.random(in: 0..<4) == 0 ? Int.random(in: 1...min(cap, 4)) : 1
            let before = try await node.time()
            let admission = await node.admit(TestCall(caller: caller, limits: [(Self.limit(cap), cost)]))
            switch admission {
            case .admitted(_, let windows):
                let stamp = try await Self.newest(caller, node)
                admitted.append(Step(time: stamp, cost: cost, cap: cap))
                let held = Self.held(admitted, from: stamp - Self.window)
                #expect(held <= cap)
                #expect(windows.first?.remaining == cap - held)
                let oldest = admitted.first { $0.time >= stamp - Self.window }?.time ?? 0
                #expect(windows.first?.reset == oldest + Self.window - stamp)
            case .denied(.rateLimited(let wait), _, _):
                let after = try await node.time()
                let leaving = Self.held(admitted, from: before - Self.window) + cost - cap
                #expect(leaving > 0, "refused without need")
                guard leaving == Self.held(admitted, from: after - Self.window) + cost - cap, leaving > 0 else { break }
                let free = Self.times(admitted, from: before - Self.window)[leaving - 1] + Self.window + 1
                #expect((free - after...free - before).contains(wait))
            default: Issue.record("\(admission.word)")
            }
            if Int.random(in: 0..<3) > 0 { try await Task.sleep(for: .microseconds(Int.random(in: 0..<9000))) }
        }
        for (index, step) in admitted.enumerated() {
            #expect(Self.held(admitted[...index], from: step.time - Self.window) <= step.cap)
        }
        #expect(try await node.send("STRLEN", caller.ring(of: Self.limit(cap))).integer ?? .max <= 9 * 8)
    }

    private static let isLong = ProcessInfo.processInfo.environment["LONG_TESTS"] == "1"

    private static func held(_ steps: some Sequence<Step>, from start: Int) -> Int {
        steps.reduce(0) { $0 + ($1.time >= start ? $1.cost : 0) }
    }

    private static func times(_ steps: [Step], from start: Int) -> [Int] {
        steps.filter { $0.time >= start }.flatMap { Array(repeating: $0.time, count: $0.cost) }
    }

    /// The time of the last admission, as the account has it: the slots may have expired meanwhile.
    private static func newest(_ caller: CachedKey, _ node: TestNode) async throws -> Int {
        guard case .bytes(let state) = try await node.send("HGET", caller.accounts[0], "m:calls") else { return 0 }
        return Int(double(state, 4))
    }

    private static func double(_ bytes: [UInt8], _ index: Int) -> Double {
        Double(bitPattern: bytes[index * 8..<index * 8 + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }

    @Test("Two nodes together admit exactly the cap of a window (R14, R15)")
    func acrossNodes() async throws {
        let one = try await TestNode()
        let other = try await TestNode(prefix: one.keys.prefix, id: "node-b")
        let caller = try await one.makeKey(credits: 1000)
        let admitted = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<200 {
                let node = index % 2 == 0 ? one : other
                group.addTask { await node.admit(TestCall(caller: caller, limits: [(Self.limit(60, window: 60_000_000), 1)])).isAdmitted }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(admitted == 60)
        #expect(try await one.credits(caller) == 940)
    }

    @Test("A refusal costs no space and no credits (R15, F-RATE-03)")
    func refusals() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limits = [(limit: Self.limit(2, window: 60_000_000), amount: 1)]
        for _ in 0..<2 { #expect(await node.admit(TestCall(caller: caller, limits: limits)).isAdmitted) }
        let state = try await node.send("HGETALL", caller.accounts[0])
        for _ in 0..<20 {
            let refused = await node.admit(TestCall(caller: caller, limits: limits))
            #expect(refused.word == "rate_limited" && refused.credits == 98)
        }
        #expect(try await node.send("HGETALL", caller.accounts[0]) == state)
    }

    @Test("After the wait that a refusal names there is room (R15)")
    func wait() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        let call = { TestCall(caller: caller, limits: [(Self.limit(2), 1)]) }
        for _ in 0..<5 {
            var wait: Int?
            for _ in 0..<20 where wait == nil { wait = await node.admit(call()).wait }
            try await Task.sleep(for: .microseconds(wait ?? 0))
            #expect(await node.admit(call()).isAdmitted)
        }
    }

    @Test("A refused check takes nothing from the others: all limits of a call or none")
    func allOrNothing() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let (wide, narrow) = (Self.limit(10, window: 60_000_000), Self.limit(2, window: 60_000_000, name: "calls:search"))
        for index in 0..<5 {
            let admission = await node.admit(TestCall(caller: caller, limits: [(wide, 1), (narrow, 1)]))
            #expect(admission.isAdmitted == (index < 2))
            if index < 2 { #expect(admission.meters.map(\.remaining) == [9 - index, 1 - index]) }
        }
        let admission = await node.admit(TestCall(caller: caller, limits: [(wide, 1)]))
        #expect(admission.meters.first?.remaining == 7)
        #expect(await node.admit(TestCall(caller: caller, price: 1000, limits: [(wide, 1)])).word == "insufficient_credits")
        #expect(await node.admit(TestCall(caller: caller, limits: [(wide, 1)])).meters.first?.remaining == 6)
    }

    @Test("A batch takes its whole number at once, round the end of the ring as well (F-RATE-08)")
    func batches() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        let long = Self.limit(5, window: 60_000_000, name: "long")
        #expect(await node.admit(TestCall(caller: caller, limits: [(long, 6)])).word == "rate_limited")
        #expect(await node.admit(TestCall(caller: caller, limits: [(long, 3)])).meters.first?.remaining == 2)
        #expect(await node.admit(TestCall(caller: caller, limits: [(long, 3)])).word == "rate_limited")
        #expect(await node.admit(TestCall(caller: caller, limits: [(long, 2)])).meters.first?.remaining == 0)
        let limit = Self.limit(5, window: 20_000)
        for _ in 0..<4 {
            #expect(await node.admit(TestCall(caller: caller, limits: [(limit, 3)])).meters.first?.remaining == 2)
            try await Task.sleep(for: .milliseconds(21))
        }
        #expect(try await node.send("STRLEN", caller.ring(of: limit)).integer == 40)
    }

    @Test("A cap that is raised or lowered keeps what was admitted under the old one")
    func capChanges() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        func admit(_ cap: Int, _ cost: Int = 1) async -> Admission {
            await node.admit(TestCall(caller: caller, limits: [(Self.limit(cap, window: 60_000_000), cost)]))
        }
        for _ in 0..<3 { #expect(await admit(3).isAdmitted) }
        #expect(await admit(3).word == "rate_limited")
        #expect(await admit(5).meters.first?.remaining == 1)
        #expect(await admit(2).word == "rate_limited")
        #expect(await admit(5).meters.first?.remaining == 0)
        #expect(await admit(5).word == "rate_limited")
        #expect(await admit(100, 90).meters.first?.remaining == 5)
        #expect(await admit(100, 6).word == "rate_limited")
    }

    @Test("A window of a thousand costs 8 bytes an admission and no more after going round")
    func memory() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100_000)
        let limit = Self.limit(1000, window: 20_000)
        for _ in 0..<5 {
            #expect(await node.admit(TestCall(caller: caller, limits: [(limit, 900)])).isAdmitted)
            try await Task.sleep(for: .milliseconds(22))
        }
        #expect(try await node.send("STRLEN", caller.ring(of: limit)).integer == 8000)
    }
}
