// How the gate says no, in the shapes that existing clients read.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Denials")
    struct DenialTests {
        @Test("F-RPC-01, F-RPC-10, F-RPC-11: a denial has code -32402, its sentence, the amounts and an x402 block")
        func shape() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 3)
            let response = try await cluster[1].call("add", ["a": 1, "b": 2], key: key, id: "my id")
            #expect(
                response.status == 200 && response.json["id"] == "my id" && response.json["jsonrpc"] == "2.0"
                    && response.json["result"] == nil)
            let error = try #require(response.json["error"])
            #expect(error["code"] == -32402)
            #expect(error["message"] == "Payment required: insufficient_credits: need 7, have 3")
            let data = try #require(error["data"])
            #expect(data["reason"] == "insufficient_credits: need 7, have 3")
            #expect(data["creditsRequired"] == 7 && data["remainingCredits"] == 3)
            #expect(
                data["x402"] == [
                    "version": "1", "scheme": "credits", "creditsRequired": 7, "creditsAvailable": 3, "topUpUrl": "/topup",
                    "pricingUrl": "/pricing",
                    "accepts": ["X-API-Key", "Bearer"],
                ])
            #expect(
                data["pricing"]?["name"] == "add" && data["pricing"]?["creditsPerCall"] == 2 && data["pricing"]?["creditsPerKbInput"] == 5)
            #expect(response.integer("X-Credits-Remaining") == 3)
            #expect(try await cluster[0].balance(key).credits == 3)
        }

        @Test("F-DENY-01 to F-DENY-05: each reason has its word, costs nothing, and is recorded once with it")
        func reasons() async throws {
            let cluster = try SharedCluster.cluster
            let named: (String) -> JSON = { ["key": .string($0)] }
            func expect(_ word: String, _ key: String?, _ reason: String? = nil, sourceLocation: SourceLocation = #_sourceLocation)
                async throws
            {
                let response = try await cluster[1].call("echo", ["text": "x"], key: key)
                #expect(response.outcome == .denied(reason ?? word), "\(response.text)", sourceLocation: sourceLocation)
                guard let key, word != "invalid_api_key" else { return }
                let events = try await cluster[0].usage(of: key).filter { !$0.isAllowed }
                #expect(events.count == 1 && events.first?.credits == 0, sourceLocation: sourceLocation)
                #expect(
                    events.first?.json["denyReason"]?.string?.hasPrefix(word) == true, "\(events.map(\.json.text))",
                    sourceLocation: sourceLocation)
            }
            try await expect("missing_api_key", nil)
            try await expect("invalid_api_key", "pg_" + String(repeating: "0", count: 48))
            try await expect("invalid_api_key", "*")
            let revoked = try await cluster[0].createKey()
            try await cluster[0].order("/keys/revoke", named(revoked))
            try await expect("invalid_api_key", revoked)
            let suspended = try await cluster[0].createKey()
            try await cluster[0].order("/keys/suspend", named(suspended))
            try await expect("key_suspended", suspended)
            let expired = try await cluster[0].createKey()
            try await cluster[0].order("/keys/expiry", ["key": .string(expired), "expiresAt": "2020-01-01T00:00:00.000Z"])
            try await expect("api_key_expired", expired)
            let elsewhere = try await cluster[0].createKey(["ipAllowlist": ["192.0.2.0/24"]])
            try await expect("ip_not_allowed", elsewhere, "ip_not_allowed: 127.0.0.1")
            try await expect("tool_not_allowed", try await cluster[0].createKey(["allowedTools": ["add"]]))
            try await expect("tool_denied", try await cluster[0].createKey(["deniedTools": ["echo"]]))
            try await expect("insufficient_credits", try await poorKey(), "insufficient_credits: need 1, have 0")
        }

        /// A key that has nothing left.
        private func poorKey() async throws -> String {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1)
            #expect(await cluster[0].echo(key: key).isServed)
            return key
        }

        @Test("F-RPC-10: whatever a known key is denied for, the answer tells what it has left")
        func remainingCredits() async throws {
            let cluster = try SharedCluster.cluster
            let suspended = try await cluster[0].createKey(credits: 9)
            try await cluster[0].order("/keys/suspend", ["key": .string(suspended)])
            let keys = [
                suspended, try await cluster[0].createKey(credits: 9, ["deniedTools": ["echo"]]),
                try await cluster[0].createKey(credits: 9, ["allowedTools": ["add"]]),
            ]
            for key in keys {
                let data = try await cluster[1].call("echo", ["text": "x"], key: key).json["error"]?["data"]
                #expect(data?["remainingCredits"] == 9 && data?["x402"]?["creditsAvailable"] == 9, "\(data?.text ?? "")")
            }
        }

        @Test("F-CREDIT-11: a spending limit refuses the call that would pass it")
        func spendingLimit() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            try await cluster[0].order("/limits", ["key": .string(key), "spendingLimit": 3])
            var words: [String] = []
            for turn in 0..<4 { words.append(await cluster[turn].echo(key: key).word) }
            #expect(words == ["served", "served", "served", "spending_limit_exceeded"])
            #expect(try await cluster[0].balance(key).spent == 3)
        }

        @Test("F-GATE-04: a key is taken from X-API-Key or from a Bearer token; X-API-Key comes first")
        func credentials() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let echo: (GateClient.Headers) async throws -> CallOutcome = { headers in
                try await cluster[0].call("echo", ["text": "x"], key: nil, headers: headers).outcome
            }
            #expect(try await echo([("Authorization", "Bearer \(key)")]).isServed)
            #expect(try await echo([("authorization", "bearer \(key)")]).isServed)
            #expect(try await echo([("X-API-Key", key), ("Authorization", "Bearer nonsense")]).isServed)
            #expect(try await echo([("X-API-Key", "nonsense"), ("Authorization", "Bearer \(key)")]) == .denied("invalid_api_key"))
            #expect(try await echo([("Authorization", "Basic \(key)")]) == .denied("missing_api_key"))
            #expect(try await echo([("Authorization", "Bearer ")]) == .denied("missing_api_key"))
            #expect(try await cluster[0].call("echo", ["text": "x"], key: GateClient.adminKey).outcome == .denied("invalid_api_key"), "X39")
        }

        @Test("F-RPC-06: a call without a tool's name, and a batch without calls, are -32602 and cost nothing")
        func malformed() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 9)
            for params: JSON in [[:], ["name": 1], ["arguments": [:]], nil] {
                #expect(try await cluster[0].rpc("tools/call", params, key: key).outcome == .failed(code: -32602), "\(params.text)")
            }
            let tooMany = JSON.array(Array(repeating: ["name": "echo"], count: 101))
            for params: JSON in [[:], ["calls": []], ["calls": "x"], ["calls": [["arguments": [:]]]], ["calls": tooMany]] {
                #expect(
                    try await cluster[0].rpc("tools/call_batch", params, key: key).outcome == .failed(code: -32602),
                    "\(params.text.prefix(100))")
            }
            #expect(try await cluster[0].balance(key).credits == 9)
        }
    }
}
