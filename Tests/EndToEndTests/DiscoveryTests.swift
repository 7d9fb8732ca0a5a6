// What registries and clients read before they have a key.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite(
        "Discovery",
        .cluster(nodes: 2, ["--name", "Acme"], config: ["toolPricing": ["add": ["creditsPerCall": 0], "big": ["creditsPerCall": 7]]]))
    struct DiscoveryTests {
        @Test("F-REG-01: the cards say on every node what the gate is, what its servers can, and what calls cost")
        func cards() async throws {
            for node in try SharedCluster.cluster.clients {
                let card = try await node.get("/.well-known/mcp.json")
                #expect(card.status == 200 && card.header("Cache-Control") == "public, max-age=3600")
                #expect(card.json["name"] == "Acme" && card.json["protocol"] == "mcp" && card.json["transport"] == ["streamable-http"])
                #expect(card.json["capabilities"]?["tools"] == true && card.json["capabilities"]?["prompts"] == false, "\(card.text)")
                #expect(card.json["payment"]?["toolCount"] == 5 && card.json["payment"]?["freeToolCount"] == 1)
                #expect(card.json["auth"] == ["apiKey": true, "oauth2": false, "bearer": true])
                #expect(card.json["links"]?["pricing"] == "/pricing" && card.text.contains("/mcp"))
                let payment = try await node.get("/.well-known/mcp-payment").json
                #expect(payment["specVersion"] == "2007-draft" && payment["paymentErrorCode"] == -32402 && payment["toolCount"] == 5)
                #expect(payment["authMethods"] == ["X-API-Key", "Bearer"] && payment["freeToolCount"] == 1)
                let tools = try #require(try await node.get("/.well-known/mcp/server-card.json").json["tools"]?.array)
                #expect(tools.first { $0["name"] == "big" }?["creditsPerCall"] == 7, "\(tools)")
                #expect(try await node.send("HEAD", "/.well-known/mcp.json").status == 200)
                #expect(try await node.send("POST", "/.well-known/mcp.json").status == 405)
            }
        }
    }
}
