import GateDomain
import Testing

@Suite("Judging a call")
struct PipelineTests {
    static let rules = GateRules(
        prices: PriceBook(defaultPerCall: 2, tools: ["search": ToolPrice(creditsPerCall: 5, creditsPerKbInput: 0)]),
        callsPerMinute: 60, toolCallsPerMinute: ["search": 10, "free": 0])

    static func key(_ change: (inout KeyRecord) -> Void = { _ in }) -> CallView.Caller {
        var key = KeyRecord(id: "key_1", name: "n", prefix: "pg_1234567...", masked: "pg_1234...abcd", createdAt: 0)
        change(&key)
        return .key(Policy(key: key, rules: rules))
    }

    static func call(_ caller: CallView.Caller, tool: String = "echo", now: Int = 1000) -> CallView {
        CallView(caller: caller, tool: tool, argumentBytes: 10, address: IPAddress(v4: 0x0a00_0001), country: "DE", now: now)
    }

    static func judge(_ caller: CallView.Caller, now: Int = 1000, by pipeline: Pipeline = Pipeline(), upTo phase: Phase = .route)
        -> Pipeline.Decision
    {
        var view = call(caller, now: now)
        return pipeline.run(upTo: phase, &view)
    }

    @Test("F-GATE-07: the first refusal in the documented order is the one that is told")
    func order() {
        var wrongs: [(inout KeyRecord) -> Void] = [
            { $0.state = .suspended }, { $0.expiresAt = 1 }, { $0.addresses = [AddressRange("192.0.2.1")].compactMap(\.self) },
            { $0.countries.denied = ["DE"] }, { $0.access = ToolAccess(denied: ["echo"]) },
        ]
        let denials: [Denial] = [
            .keySuspended, .keyExpired, .addressNotAllowed(IPAddress(v4: 0x0a00_0001)), .countryDenied("DE"), .toolDenied("echo"),
        ]
        #expect(Self.judge(.nobody) == .denied(.missingKey))
        #expect(Self.judge(.unknown) == .denied(.invalidKey))
        for denial in denials {
            let key = Self.key { record in for wrong in wrongs { wrong(&record) } }
            #expect(Self.judge(key) == .denied(denial))
            wrongs.removeFirst()
        }
        #expect(Self.judge(Self.key()) == .passed)
    }

    @Test("F-KEY-05: a revoked key is as good as none")
    func revoked() {
        #expect(Self.judge(Self.key { $0.state = .revoked }) == .denied(.invalidKey))
    }

    @Test("F-GATE-11: a key is expired from its very moment on")
    func expiry() {
        let key = Self.key { $0.expiresAt = 1000 }
        #expect(Self.judge(key, now: 1000) == .denied(.keyExpired))
        #expect(Self.judge(key, now: 999) == .passed)
    }

    @Test("F-ACL-01, F-GATE-09: an empty allow list is every tool, and the deny list wins")
    func access() {
        #expect(ToolAccess().permits("anything"))
        #expect(ToolAccess(allowed: ["a"]).refusal(of: "b") == .toolNotAllowed("b"))
        #expect(ToolAccess(allowed: ["a"], denied: ["a"]).refusal(of: "a") == .toolDenied("a"))
    }

    @Test("F-HDR-05: the limit of the tool comes last, where the headers look; a limit of 0 is no limit (F-RATE-01)")
    func limits() throws {
        let policy = try #require(Self.key().policy)
        #expect(policy.plan(tool: "search", argumentBytes: 10).limits.map(\.cap) == [60, 10])
        #expect(policy.plan(tool: "search", argumentBytes: 10).price == 5)
        #expect(policy.plan(tool: "free", argumentBytes: 10).limits.map(\.cap) == [60])
    }

    // MARK: Stages

    @Test("a stage that is added to the array is asked by everything that runs its phase, and by nothing that stops before it")
    func phases() {
        let plan = Stage("plan", .policy) { $0.tool == "echo" ? .deny(.teamBudgetExceeded) : .pass }
        let pipeline = Pipeline(Pipeline.standard + [plan])
        #expect(Self.judge(Self.key(), by: pipeline, upTo: .identity) == .passed)
        #expect(Self.judge(Self.key(), by: pipeline, upTo: .policy) == .denied(.teamBudgetExceeded))
        #expect(pipeline.hasStages(of: .policy) && !pipeline.hasStages(of: .output))
    }

    @Test("phases run in their order, whatever the order of the array; stages of one phase in the order given")
    func sorting() {
        let say = { (phase: Phase, text: String) in Stage(text, phase) { _ in .warn(text) } }
        let pipeline = Pipeline([
            say(.route, "5"), say(.input, "3"), say(.identity, "1"), say(.input, "4"), say(.policy, "2"), say(.output, "never"),
        ])
        var view = Self.call(.nobody)
        #expect(pipeline.run(upTo: .route, &view) == .passed)
        #expect(view.warnings == ["1", "2", "3", "4", "5"])
    }

    @Test("a stage sees the arguments as the stages before it left them, and what they said")
    func rewriting() {
        let shout = Stage("shout", .input) { view in .rewrite(view.withPayload { Array($0) + [UInt8(ascii: "!")] }) }
        let tell = Stage("tell", .input) { view in .warn(view.withPayload { String(decoding: $0, as: UTF8.self) }) }
        let known = Stage("known", .cache) { view in view.warnings.isEmpty ? .pass : .answer(Array(view.warnings[0].utf8)) }
        let never = Stage("never", .route) { _ in .deny(.missingKey) }
        let payload: [UInt8] = Array("hey".utf8)
        payload.withUnsafeBytes { bytes in
            var view = CallView(caller: .nobody, payload: bytes, address: IPAddress(v4: 1), now: 0)
            #expect(Pipeline([never, shout, tell, shout, known]).run(upTo: .route, &view) == .answered(Array("hey!".utf8)))
            #expect(view.rewritten == Array("hey!!".utf8) && view.warnings == ["hey!"])
        }
    }

    @Test("what stages say is bounded, and so is a header that they read")
    func bounds() {
        let chatter = Stage("chatter", .input) { _ in .warn(String(repeating: "x", count: 1000)) }
        var view = CallView(caller: .nobody, address: IPAddress(v4: 1), now: 0) { name in
            String(repeating: "h", count: name.utf8CodeUnitCount == 1 ? CallView.headerBytes : CallView.headerBytes + 1)
        }
        #expect(Pipeline(Array(repeating: chatter, count: 50)).run(upTo: .output, &view) == .passed)
        #expect(view.warnings.count == CallView.remarks && view.warnings[0].utf8.count == 200)
        #expect(view.header("a")?.utf8.count == CallView.headerBytes && view.header("ab") == nil)
    }
}
