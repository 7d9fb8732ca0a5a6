// What is counted besides money: calendar periods, lifetimes, open calls; and that every way a call ends gives back what it must.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Meters")
struct MeterTests {
    private static func limit(_ measure: Limit.Measure, _ window: Limit.Window, cap: Int, _ action: Limit.Action = .deny) -> Limit {
        Limit(name: "meter", measure: measure, window: window, cap: cap, action: action)
    }

    @Test(
        "A UTC day, week and month hold exactly their cap, and say when they end (F-QUOTA-01, F-QUOTA-02)",
        arguments: CalendarPeriod.allCases)
    func calendar(period: CalendarPeriod) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limit = Self.limit(.calls, .calendar(period), cap: 3)
        let admissions = await node.admit(together: (0..<5).map { _ in TestCall(caller: caller, limits: [(limit, 1)]) })
        #expect(admissions.map(\.isAdmitted) == [true, true, true, false, false])
        #expect(admissions.prefix(3).map { $0.meters[0].remaining } == [2, 1, 0])
        #expect(admissions[4].word == "quota_exceeded" && admissions[4].credits == 97)
        let span = period.span(at: try await node.time())
        #expect(try await node.meter("meter", caller) == "\(span.number):3")
        let reset = admissions[0].meters[0].reset
        #expect(reset > 0 && reset <= span.end - span.start)
        // A period that is over.
        try await node.send("HSET", caller.accounts[0], "m:meter", "\(span.number - 1):3")
        #expect(await node.admit(TestCall(caller: caller, limits: [(limit, 3)])).isAdmitted)
        #expect(try await node.meter("meter", caller) == "\(span.number):3")
    }

    @Test(
        "A node that names another period is told so and asks again; nothing is counted in the wrong one",
        arguments: CalendarPeriod.allCases)
    func wrongPeriod(period: CalendarPeriod) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let now = try await node.time()
        for time in [period.span(at: now).start - 1, period.span(at: now).end] {
            node.clock.heard(time)
            let call = TestCall(caller: caller, limits: [(Self.limit(.calls, .calendar(period), cap: 9), 1)])
            if time > now {
                #expect(try await node.store.send(node.command(admitting: [call])).firstAnswer?.status == 2)
            }
            #expect(await node.admit(call).isAdmitted)
        }
        #expect(try await node.meter("meter", caller) == "\(period.span(at: now).number):2")
    }

    @Test("A clock that steps back over midnight counts on in the later period: no period is ever counted anew (R15)")
    func stepBack() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let today = CalendarPeriod.day.span(at: try await node.time()).number
        try await node.send("HSET", caller.accounts[0], "m:meter", "\(today + 1):3")
        let limit = Self.limit(.calls, .calendar(.day), cap: 4)
        let calls = (0..<2).map { _ in TestCall(caller: caller, limits: [(limit, 1)]) }
        #expect(await node.admit(calls[0]).isAdmitted)
        #expect(await node.admit(calls[1]).word == "quota_exceeded")
        #expect(try await node.meter("meter", caller) == "\(today + 1):4")
        #expect(await node.settle(calls[0], [(0, 0)], returned: 1).charged == 0)
        #expect(try await node.meter("meter", caller) == "\(today + 1):3")
    }

    @Test(
        "A lifetime is counted once and for all, and a refund gives calls and credits back (F-QUOTA-01)",
        arguments: [Limit.Measure.calls, .credits])
    func lifetime(measure: Limit.Measure) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limit = Self.limit(measure, .lifetime, cap: 10)
        let amount = measure == .calls ? 1 : 5
        var calls: [TestCall] = []
        while calls.count < 20 {
            let call = TestCall(caller: caller, price: 5, limits: [(limit, amount)])
            guard await node.admit(call).isAdmitted else { break }
            calls.append(call)
        }
        #expect(calls.count == (measure == .calls ? 10 : 2))
        #expect(await node.settle(calls[0], [(0, 0)], returned: 1).charged == 0)
        #expect(try await node.meter("meter", caller) == "0:\(10 - amount)")
        #expect(await node.abandon(calls[1]).charged == 0)
        #expect(try await node.meter("meter", caller) == "0:\(10 - 2 * amount)")
    }

    @Test("Credits are counted as they are charged: less when less was used, more with a surcharge")
    func credits() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limit = Self.limit(.credits, .lifetime, cap: 1000)
        for (charges, used) in [([(base: 4, surcharge: 0)], 4), ([(base: 6, surcharge: 3)], 13), ([(base: 6, surcharge: 1_000_000)], 100)] {
            let call = TestCall(caller: caller, price: 6, limits: [(limit, 6)])
            _ = await node.admit(call)
            _ = await node.settle(call, charges)
            #expect(try await node.meter("meter", caller) == "0:\(used)")
            #expect(try await node.account(caller).spent == used)
        }
    }

    @Test("Open calls are counted while they are open, and given back in whichever way they end (F-CONC-01)")
    func inFlight() async throws {
        let node = try await TestNode()
        let dead = try await TestNode(prefix: node.keys.prefix, id: "dead")
        let caller = try await node.makeKey(credits: 100)
        let limit = Self.limit(.inFlight, .lifetime, cap: 2)
        let call = { TestCall(caller: caller, limits: [(limit, 1)]) }
        for way in 0..<6 {
            let (one, two) = (call(), call())
            #expect(await node.admit(one).isAdmitted)
            #expect(await (way == 5 ? dead : node).admit(two).isAdmitted)
            #expect(await node.admit(call()).word == "concurrency_limit")
            _ = await node.settle(one)
            switch way {
            case 0: _ = await node.settle(two)
            case 1: _ = await node.settle(two, [(0, 0)], returned: 1)
            case 2: _ = await node.abandon(two)
            case 3: _ = await node.release(two)
            case 4:
                _ = await node.settle(two)
                for _ in 0..<2 { _ = await node.release(two) }
            default:
                await dead.membership().leave()
                await node.membership().beat()
            }
            #expect(try await node.meter("meter", caller) == "0", "\(way)")
        }
    }

    @Test(
        "A tool's open calls are counted over all keys, in one shard and in others, given back however they end, and leave nothing behind (F-CONC-01)",
        arguments: [1, 16])
    func openCallsOfTools(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let dead = try await TestNode(prefix: node.keys.prefix, id: "dead", shards: shards)
        let rules = GateRules(prices: PriceBook(defaultPerCall: 1, tools: [:]), maxInFlightPerTool: 2)
        let callers = try await [node.makeKey(credits: 1000, home: 0), node.makeKey(credits: 1000, home: 5)].map {
            CachedKey(Policy(key: $0.record, rules: rules), keys: node.keys)
        }
        let call = { (caller: CachedKey, tools: [String]) in
            TestCall(
                caller: caller, price: tools.count, calls: tools.count,
                limits: Set(tools).sorted().flatMap { tool in
                    caller.policy.plan(tool: tool, argumentBytes: 0).limits.map { ($0, tools.count { $0 == tool }) }
                })
        }
        let account = node.keys.account(PolicyAccount.tools.id.text)
        for way in 0..<7 {
            let (one, two) = (call(callers[0], ["a"]), call(callers[1], ["a", "b", "b"]))
            #expect(await node.admit(one).isAdmitted)
            #expect(await (way == 5 ? dead : node).admit(two).isAdmitted)
            let refused = [await node.admit(call(callers[0], ["a"])), await node.admit(call(callers[1], ["b"]))]
            #expect(refused.map(\.word) == ["concurrency_limit", "concurrency_limit"])
            #expect(await node.admit(call(callers[0], ["c", "c", "c"])).word == "concurrency_limit")
            let open = try await OpenCalls(reading: node.store)
            #expect(open.tools == ["a": 2, "b": 2])
            _ = await node.settle(one)
            let charges = Array(repeating: (base: 1, surcharge: 0), count: 3)
            switch way {
            case 0: _ = await node.settle(two, charges)
            case 1: _ = await node.settle(two, Array(repeating: (base: 0, surcharge: 0), count: 3), returned: 3)
            case 2: _ = await node.settle(two, [(1, 5), (0, 0), (1, 0)], returned: 1)
            case 3: for _ in 0..<2 { _ = await node.abandon(two) }
            case 4:
                _ = await node.settle(two, charges)
                for _ in 0..<2 { _ = await node.release(two, charges) }
            case 5:
                await dead.membership().leave()
                await node.membership().beat()
            default:
                #expect(await node.admit(two).isAdmitted)
                _ = await node.settle(two, charges)
                // A late copy of the admission finds it closed.
                #expect(await !node.admit(two).isAdmitted)
            }
            try await node.drain()
            #expect(try await node.send("HGETALL", account).fields == ["version": "0"], "\(way)")
        }
        // Whatever the store has lost, nothing goes below zero.
        let last = call(callers[0], ["a"])
        #expect(await node.admit(last).isAdmitted)
        try await node.send("DEL", account)
        #expect(await node.settle(last).charged == 1)
        #expect(await node.admit(call(callers[1], ["a", "a"])).isAdmitted)
    }

    @Test("A limit that only warns lets pass, and its reading says by how much it is passed")
    func warns() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        for (index, window) in [Limit.Window.lifetime, .calendar(.day)].enumerated() {
            let limit = Limit(name: "w\(index)", window: window, cap: 2, action: .warn)
            let readings = await node.admit(together: (0..<4).map { _ in TestCall(caller: caller, limits: [(limit, 1)]) })
            #expect(readings.map { $0.meters.first?.remaining } == [1, 0, -1, -2])
        }
    }

    @Test("All limits or none: a meter that refuses leaves the others as they were")
    func allOrNothing() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limits = [
            Limit(name: "a", window: .rolling(Limit.minute), cap: 9), Limit(name: "b", window: .calendar(.day), cap: 9),
            Limit(name: "c", measure: .inFlight, window: .lifetime, cap: 9), Limit(name: "d", measure: .credits, window: .lifetime, cap: 2),
        ]
        let call = { TestCall(caller: caller, limits: limits.map { ($0, 1) }) }
        let admissions = await node.admit(together: [call(), call(), call()])
        #expect(admissions.map(\.isAdmitted) == [true, true, false])
        #expect(try await node.meter("b", caller)?.hasSuffix(":2") == true)
        #expect(try await node.meter("c", caller) == "2")
        #expect(try await node.meter("d", caller) == "0:2")
        #expect(await node.admit(TestCall(caller: caller, limits: [(limits[0], 1)])).meters.first?.remaining == 6)
    }

    // MARK: Rings that are hurt

    @Test("A ring whose string is lost opens nothing, and blocks nobody for longer than a window (R15)")
    func lostRing() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limit = Limit(name: "calls", window: .rolling(300_000), cap: 3)
        let call = { TestCall(caller: caller, limits: [(limit, 1)]) }
        for _ in 0..<3 { #expect(await node.admit(call()).isAdmitted) }
        try await node.send("DEL", caller.ring(of: limit))
        #expect(await node.admit(call()).word == "rate_limited")
        try await Task.sleep(for: .milliseconds(310))
        for _ in 0..<3 { #expect(await node.admit(call()).isAdmitted) }
        #expect(await node.admit(call()).word == "rate_limited")
        #expect(
            await node.admit(TestCall(caller: caller, limits: [(Limit(name: "calls", window: .rolling(300_000), cap: 5), 1)])).isAdmitted)
    }

    @Test("Times from the future, as the clock has stepped back, delay nobody for longer than a window (R15)", arguments: [false, true])
    func futureStamps(isLost: Bool) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limit = Limit(name: "calls", window: .rolling(1_000_000), cap: 2)
        let call = { TestCall(caller: caller, limits: [(limit, 1)]) }
        for _ in 0..<2 { #expect(await node.admit(call()).isAdmitted) }
        // first, last, size, oldest, newest, expiry; both admissions were made in an hour.
        let future = try await node.time() + 3_600_000_000
        let write = """
            local t = tonumber(ARGV[1])
            redis.call('HSET', KEYS[1], 'm:calls', struct.pack('<dddddd', 0, 2, 2, t, t, t))
            redis.call('SET', KEYS[2], struct.pack('<dd', t, t))
            if ARGV[2] == '1' then redis.call('DEL', KEYS[2]) end
            """
        try await node.send("EVAL", write, "2", caller.accounts[0], caller.ring(of: limit), String(future), isLost ? "1" : "0")
        let refused = await node.admit(call())
        #expect(refused.word == "rate_limited")
        #expect((1...1_000_001).contains(refused.wait ?? 0))
        try await Task.sleep(for: .milliseconds(1010))
        for _ in 0..<2 { #expect(await node.admit(call()).isAdmitted) }
        #expect(await node.admit(call()).word == "rate_limited")
        #expect((0...10_000).contains(try await node.send("PTTL", caller.ring(of: limit)).integer ?? -1))
    }
}
