// --discovery dynamic: three tools in the place of all.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite(
        "Dynamic discovery",
        .cluster(
            nodes: 2, ["--discovery", "dynamic", "--price", "2", "--tool-price", "demo:add=7"], upstream: .configured,
            config: [
                "servers": [
                    ["prefix": "demo", "serverCommand": .string(Repository.binary), "serverArgs": ["demo-server"]],
                    ["prefix": "p", "serverCommand": "python3", "serverArgs": [.string(Repository.server("paging_server.py")), "p"]],
                ]
            ]))
    struct DynamicDiscoveryTests {
        private static let metaTools = ["paygate_list_tools", "paygate_search_tools", "paygate_call_tool"]

        /// What a tool of the gate's own tells.
        private func told(_ tool: String, _ arguments: JSON, key: String?, node: Int = 0) async throws -> JSON {
            let params: JSON = ["name": .string(tool), "arguments": arguments]
            let answer = try await SharedCluster.cluster[node].rpc("tools/call", params, key: key)
            let text = try #require(answer.json["result"]?["content"]?[0]?["text"]?.string, "\(answer.text)")
            return try #require(JSON(text.utf8))
        }

        private func names(_ told: JSON) -> [String] { told["tools"]?.array?.compactMap { $0["name"]?.string } ?? [] }

        @Test("F-DISC-01: tools/list shows three tools and no others, free and with schemas, to anybody on every node")
        func three() async throws {
            for node in try SharedCluster.cluster.clients {
                let tools = try #require(try await node.rpc("tools/list", [:], key: nil).json["result"]?["tools"]?.array)
                #expect(tools.compactMap { $0["name"]?.string } == Self.metaTools)
                for tool in tools {
                    #expect(tool["inputSchema"]?["type"] == "object" && tool["_pricing"]?["isFree"] == true, "\(tool)")
                    #expect((tool["description"]?.string ?? "").count > 20)
                }
            }
        }

        @Test("F-DISC-02: paygate_list_tools goes through all tools page by page, over any node, and costs nothing")
        func listed() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 10)
            var (found, cursor) = ([String](), JSON?.none)
            for page in 0..<10 {
                let answer = try await told(
                    "paygate_list_tools", cursor.map { ["pageSize": 3, "cursor": $0] } ?? ["pageSize": 3], key: key, node: page % 2)
                #expect(names(answer).count <= 3)
                found += names(answer)
                cursor = answer["nextCursor"]
                if cursor == nil { break }
            }
            #expect(found.count == 10 && Set(found).isSuperset(of: ["demo:echo", "demo:add", "p:p-0", "p:p-4"]), "\(found)")
            let whole = try await told("paygate_list_tools", [:], key: nil)
            #expect(names(whole) == found && whole["nextCursor"] == nil)
            let add = try #require(whole["tools"]?.array?.first { $0["name"] == "demo:add" })
            #expect(
                add["_pricing"]?["creditsPerCall"] == 7 && add["description"]?.string?.hasPrefix("[demo] ") == true
                    && add["inputSchema"] == nil)
            #expect(try await cluster[0].balance(key).credits == 10)
        }

        @Test(
            "F-DISC-02: paygate_search_tools shows what fits best first, a word in a name before one in a description, schemas if asked for"
        )
        func searched() async throws {
            let answer = try await told("paygate_search_tools", ["query": "ECHO", "includeSchema": true], key: nil)
            #expect(names(answer).first == "demo:echo", "\(answer)")
            #expect(answer["tools"]?[0]?["inputSchema"]?["properties"]?["text"]?["type"] == "string")
            #expect(try await names(told("paygate_search_tools", ["query": "p-3"], key: nil)) == ["p:p-3"])
            let none = try await told("paygate_search_tools", ["query": "xyzzy"], key: nil)
            #expect(names(none).isEmpty && none["matches"] == 0)
        }

        @Test("F-DISC-03: a key is told of the tools that it may call, and of no others")
        func filtered() async throws {
            let gate = try SharedCluster.cluster[0]
            let key = try await gate.createKey(["allowedTools": ["demo:add", "p:p-1"]])
            #expect(try await names(told("paygate_list_tools", [:], key: key, node: 1)) == ["demo:add", "p:p-1"])
            #expect(try await names(told("paygate_search_tools", ["query": "demo p-1 p-2"], key: key)) == ["demo:add", "p:p-1"])
            try await gate.order("/keys/suspend", ["key": .string(key)])
            #expect(try await names(told("paygate_list_tools", [:], key: key)).isEmpty)
        }

        @Test(
            "F-DISC-02: a call by paygate_call_tool is one of the tool that it names: its price, its rights, its record; other parts of the request stay"
        )
        func called() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(["credits": 20, "deniedTools": ["demo:echo"]])
            func call(_ arguments: JSON, node: Int = 0) async throws -> GateResponse {
                try await cluster[node].rpc("tools/call", ["arguments": arguments, "name": "paygate_call_tool"], key: key)
            }
            let sum = try await call(["arguments": ["a": 2, "b": 3], "name": "demo:add", "ignored": true], node: 1)
            #expect(sum.json["result"]?["content"]?[0]?["text"] == "5" && sum.json["id"] == 1, "\(sum.text)")
            #expect(try await cluster[1].balance(key).credits == 13)
            let refused = try await call(["name": "demo:echo", "arguments": ["text": "x"]])
            #expect(refused.json["error"]?["code"] == -32402, "\(refused.text)")
            let direct = try await cluster[0].rpc("tools/call", ["name": "demo:add", "arguments": ["a": 1, "b": 1]], key: key)
            #expect(direct.json["result"] != nil)
            #expect(try await cluster[0].balance(key).credits == 6)
            #expect(try await call(["name": "demo:nothing"]).json["error"]?["code"] == -32602)
            #expect(try await cluster[0].balance(key).credits == 6)
            let used = try await cluster[0].admin("/usage?format=csv").text
            #expect(used.contains("demo:add") && !used.contains("paygate_call_tool"))
        }

        @Test(
            "Arguments that will not do are an error that says what will, and cost nothing",
            arguments: [
                ("paygate_list_tools", ["pageSize": 0], "pageSize"), ("paygate_list_tools", ["pageSize": 201], "pageSize"),
                ("paygate_list_tools", ["pageSize": 1.5], "pageSize"), ("paygate_list_tools", ["cursor": "-1"], "cursor"),
                ("paygate_list_tools", ["cursor": "99999999999999999999"], "cursor"), ("paygate_list_tools", ["cursor": 7], "cursor"),
                ("paygate_search_tools", [:], "query"), ("paygate_search_tools", ["query": ""], "query"),
                ("paygate_search_tools", ["query": "  "], "query"),
                ("paygate_search_tools", ["query": "a", "includeSchema": "yes"], "includeSchema"),
                ("paygate_search_tools", ["query": .string(String(repeating: "a", count: 257))], "query"),
                ("paygate_call_tool", [:], "name"), ("paygate_call_tool", ["name": 7], "name"),
                ("paygate_call_tool", ["name": "demo:echo", "arguments": "x"], "name"),
                ("paygate_call_tool", ["name": "paygate_call_tool", "arguments": ["name": "demo:echo"]], "own kind"),
                ("paygate_call_tool", ["name": "paygate_list_tools"], "own kind"),
            ] as [(String, JSON, String)])
        func bad(_ tool: String, _ arguments: JSON, _ says: String) async throws {
            let gate = try SharedCluster.cluster[0]
            let key = try await gate.createKey(credits: 5)
            let answer = try await gate.rpc("tools/call", ["name": .string(tool), "arguments": arguments], key: key)
            #expect(answer.json["error"]?["code"] == -32602, "\(answer.text)")
            #expect(answer.json["error"]?["message"]?.string?.contains(says) == true, "\(answer.text)")
            #expect(try await gate.balance(key).credits == 5)
        }
    }
}
