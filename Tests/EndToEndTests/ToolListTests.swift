// What tools/list shows to whom.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Tool lists")
    struct ToolListTests {
        @Test("F-REG-01, F-PRICE-10: without a key every tool is listed with its price")
        func pricing() async throws {
            let tools = try await tools(key: nil)
            #expect(Set(tools.keys) == ["echo", "add", "slow", "fail", "big"])
            #expect(tools["echo"]?["_pricing"] == pricing("echo", 1, "flat"))
            #expect(tools["add"]?["_pricing"] == pricing("add", 2, "dynamic", perKbIn: 5))
            #expect(tools["big"]?["_pricing"] == pricing("big", 1, "dynamic", perKbOut: 3))
            #expect(tools["slow"]?["_pricing"] == pricing("slow", 1, "flat", rate: 3))
            #expect(tools["echo"]?["inputSchema"]?["properties"]?["text"]?["type"] == "string", "what the server says is kept")
        }

        @Test("F-ACL-01, F-ACL-02: a key sees the tools that it may call; the deny list wins")
        func filtered() async throws {
            let gate = try SharedCluster.cluster[0]
            let names = { (more: [String: JSON]) async throws -> Set<String> in
                Set(try await tools(key: try await gate.createKey(more)).keys)
            }
            #expect(try await names(["allowedTools": ["echo", "add"]]) == ["echo", "add"])
            #expect(try await names(["deniedTools": ["big"]]) == ["echo", "add", "slow", "fail"])
            #expect(try await names(["allowedTools": ["echo", "add"], "deniedTools": ["add"]]) == ["echo"])
        }

        @Test("F-ACL-03: an unknown, revoked, suspended or expired key sees no tool that costs something")
        func barred() async throws {
            let gate = try SharedCluster.cluster[0]
            let keys = try await concurrently(3) { _ in try await gate.createKey() }
            try await gate.order("/keys/revoke", ["key": .string(keys[0])])
            try await gate.order("/keys/suspend", ["key": .string(keys[1])])
            try await gate.order("/keys/expiry", ["key": .string(keys[2]), "expiresAt": "2020-01-01T00:00:00.000Z"])
            for key in keys + ["pg_nonsense"] { #expect(try await tools(key: key).isEmpty) }
        }

        private func tools(key: String?) async throws -> [String: JSON] {
            let list = try await SharedCluster.cluster[1].rpc("tools/list", [:], key: key).json["result"]?["tools"]?.array
            return Dictionary(uniqueKeysWithValues: try #require(list).map { ($0["name"]?.string ?? "", $0) })
        }

        private func pricing(_ name: String, _ credits: Int, _ model: String, perKbIn: Int = 0, perKbOut: Int = 0, rate: Int = 0) -> JSON {
            [
                "name": .string(name), "creditsPerCall": .int(credits), "creditsPerKbInput": .int(perKbIn),
                "creditsPerKbOutput": .int(perKbOut),
                "rateLimitPerMin": .int(rate), "pricingModel": .string(model), "isFree": false,
            ]
        }
    }
}
