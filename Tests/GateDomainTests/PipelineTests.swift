import GateDomain
import Testing

@Suite("Judging a call")
struct PipelineTests {
    static let pipeline = Pipeline(
        prices: PriceBook(defaultPerCall: 2, tools: ["search": ToolPrice(creditsPerCall: 5, creditsPerKbInput: 0)]),
        limits: LimitBook(callsPerMinute: 60, toolCallsPerMinute: ["search": 10]))

    static func key(_ change: (inout KeyRecord) -> Void = { _ in }) -> KeyRecord {
        var key = KeyRecord(id: "key_1", name: "n", prefix: "pg_1234567...", masked: "pg_1234...abcd", createdAt: 0)
        change(&key)
        return key
    }

    static func facts(_ caller: CallFacts.Caller, tool: String = "echo", now: Int = 1000) -> CallFacts {
        CallFacts(caller: caller, tool: tool, argumentBytes: 10, address: IPAddress(v4: 0x0a00_0001), now: now)
    }

    @Test("F-GATE-07: the first refusal in the documented order is the one that is told")
    func order() throws {
        let everythingWrong = Self.key {
            $0.state = .suspended
            $0.expiresAt = 1
            $0.addresses = [AddressRange("192.0.2.1")].compactMap(\.self)
            $0.access = ToolAccess(denied: ["echo"])
        }
        var key = everythingWrong
        #expect(Self.pipeline.judge(Self.facts(.nobody)) == .denied(.missingKey))
        #expect(Self.pipeline.judge(Self.facts(.unknown)) == .denied(.invalidKey))
        #expect(Self.pipeline.judge(Self.facts(.key(key))) == .denied(.keySuspended))
        key.state = .active
        #expect(Self.pipeline.judge(Self.facts(.key(key))) == .denied(.keyExpired))
        key.expiresAt = nil
        #expect(Self.pipeline.judge(Self.facts(.key(key))) == .denied(.addressNotAllowed(IPAddress(v4: 0x0a00_0001))))
        key.addresses = []
        #expect(Self.pipeline.judge(Self.facts(.key(key))) == .denied(.toolDenied("echo")))
        key.access = ToolAccess()
        guard case .planned(let plan) = Self.pipeline.judge(Self.facts(.key(key))) else { return #expect(Bool(false), "not planned") }
        #expect(plan.price == 2)
    }

    @Test("F-KEY-05: a revoked key is as good as none")
    func revoked() {
        #expect(Self.pipeline.judge(Self.facts(.key(Self.key { $0.state = .revoked }))) == .denied(.invalidKey))
    }

    @Test("F-GATE-11: a key is expired from its very moment on")
    func expiry() {
        let key = Self.key { $0.expiresAt = 1000 }
        #expect(Self.pipeline.judge(Self.facts(.key(key), now: 1000)) == .denied(.keyExpired))
        #expect(Self.pipeline.judge(Self.facts(.key(key), now: 999)) != .denied(.keyExpired))
    }

    @Test("F-ACL-01, F-GATE-09: an empty allow list is every tool, and the deny list wins")
    func access() {
        #expect(ToolAccess().permits("anything"))
        #expect(ToolAccess(allowed: ["a"]).refusal(of: "b") == .toolNotAllowed("b"))
        #expect(ToolAccess(allowed: ["a"], denied: ["a"]).refusal(of: "a") == .toolDenied("a"))
    }

    @Test("F-HDR-05: the limit of the tool comes last, where the headers look")
    func limits() throws {
        guard case .planned(let plan) = Self.pipeline.judge(Self.facts(.key(Self.key()), tool: "search")) else { return #expect(Bool(false)) }
        #expect(plan.limits.map(\.cap) == [60, 10])
        #expect(plan.price == 5)
    }

    @Test("a limit of 0 is no limit (F-RATE-01)")
    func noLimit() {
        #expect(LimitBook(callsPerMinute: 0, toolCallsPerMinute: ["a": 0]).limits(for: "a").isEmpty)
    }
}
