// Sessions that every node knows: made, used, ended, and forgotten in order.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Session script")
struct SessionScriptTests {
    private static func facts(
        _ node: TestNode, _ verb: SessionCommands.Verb, _ id: String, lifetime: Int = 60_000, capacity: Int = 100,
        fields: [(String, String)] = []
    ) async throws -> [String: String]? {
        let commands = SessionCommands(keys: node.keys, lifetime: lifetime, capacity: capacity)
        return SessionCommands.facts(try await node.store.send(commands.command(verb, id, fields: fields)))
    }

    @Test("A session lives from its making to its end, on every node, and is not made again after it")
    func life() async throws {
        let node = try await TestNode()
        #expect(try await Self.facts(node, .touch, "s") == nil)
        #expect(try await Self.facts(node, .create, "s", fields: [("owner", "me")]) == ["owner": "me"])
        #expect(try await Self.facts(node, .touch, "s") == ["owner": "me"])
        #expect(try await Self.facts(node, .adopt, "minted") == [:])
        #expect(try await Self.facts(node, .end, "s") == [:])
        for verb in [SessionCommands.Verb.touch, .adopt, .end] { #expect(try await Self.facts(node, verb, "s") == nil) }
        #expect(try await node.send("ZCARD", node.keys.sessions(0)).integer == 1)
    }

    @Test("Beyond the cap the sessions that were used least lately are forgotten; one that is not used ends with its lifetime")
    func bounds() async throws {
        let node = try await TestNode()
        for name in ["a", "b", "c"] {
            _ = try await Self.facts(node, .create, name, capacity: 2)
            try await Task.sleep(for: .milliseconds(3))
        }
        #expect(try await Self.facts(node, .touch, "a") == nil)
        #expect(try await Self.facts(node, .touch, "b") != nil)
        _ = try await Self.facts(node, .create, "short", lifetime: 40)
        // Asking renews it, so it is asked once, after its time.
        try await Task.sleep(for: .milliseconds(60))
        #expect(try await Self.facts(node, .touch, "short", lifetime: 40) == nil)
    }
}
