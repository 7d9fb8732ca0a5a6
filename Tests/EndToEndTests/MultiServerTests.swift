// Several servers behind one gate.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite(
        "Several servers",
        .cluster(
            nodes: 2, ["--rate-limit", "0"], upstream: .configured,
            config: [
                "servers": [
                    ["prefix": "one", "serverCommand": .string(Repository.binary), "serverArgs": ["demo-server"]],
                    ["prefix": "two", "serverCommand": .string(Repository.binary), "serverArgs": ["demo-server"]],
                ],
                "toolPricing": ["two:add": ["creditsPerCall": 9], "add": ["creditsPerCall": 100]],
            ]))
    struct MultiServerTests {
        @Test("F-MULTI-01, F-MULTI-03, F-PRICE-11: tools are listed as prefix:tool, marked with [prefix], and priced by the prefixed name")
        func list() async throws {
            let tools = try #require(try await SharedCluster.cluster[1].rpc("tools/list", [:]).json["result"]?["tools"]?.array)
            let names = ["echo", "add", "slow", "fail", "big"]
            #expect(tools.map { $0["name"]?.string } == names.map { "one:" + $0 } + names.map { "two:" + $0 })
            for tool in tools {
                let prefix = tool["name"]?.string?.prefix(3) ?? ""
                #expect(tool["description"]?.string?.hasPrefix("[\(prefix)] ") == true, "\(tool.text)")
                #expect(tool["_pricing"]?["name"] == tool["name"])
                #expect(tool["_pricing"]?["creditsPerCall"] == (tool["name"] == "two:add" ? 9 : 1))
            }
        }

        @Test("F-MULTI-01, F-CREDIT-14: a call goes to the server of its prefix, at the price of its prefixed name, from one balance")
        func routing() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 20)
            #expect(try await cluster[0].call("one:add", ["a": 1, "b": 2], key: key).outcome.text == "3")
            #expect(try await cluster[1].call("two:add", ["a": 3, "b": 4], key: key).outcome.text == "7")
            #expect(try await cluster[0].balance(key).spent == 10)
            let batch = try await cluster[1].batch([("one:echo", ["text": "1"]), ("two:echo", ["text": "2"])], key: key)
            #expect(
                batch.json["result"]?["results"]?.array?.map { $0["result"]?["content"]?[0]?["text"]?.string } == ["1", "2"],
                "F-BATCH-05: \(batch.text)")
            #expect(batch.json["result"]?["results"]?.array?.map { $0["tool"]?.string } == ["one:echo", "two:echo"])
            #expect(
                try await cluster[0].usage(of: key).map(\.tool).sorted { $0 ?? "" < $1 ?? "" } == [
                    "one:add", "one:echo", "two:add", "two:echo",
                ])
        }

        @Test("F-MULTI-01: the death of one server fails its own calls and no others")
        func isolation() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            async let other = cluster[0].attempt("two:slow", ["seconds": 0.5], key: key)
            #expect(await cluster[0].attempt("one:fail", ["kind": "exit"], key: key) == .failed(code: -32603))
            #expect(await cluster[0].attempt("two:echo", ["text": "x"], key: key).isServed)
            #expect(await other.isServed)
            try await eventually("the dead one is back", within: .seconds(3)) {
                await cluster[0].attempt("one:echo", ["text": "x"], key: key).isServed
            }
        }

        @Test("F-MULTI-02: a name without a prefix, or with an unknown one, is -32602 and costs nothing")
        func unknown() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 5)
            for (name, words) in [("add", "must be prefixed"), ("three:add", "Unknown server prefix"), (":add", "prefix")] {
                let response = try await cluster[0].call(name, ["a": 1, "b": 2], key: key)
                #expect(response.outcome == .failed(code: -32602), "\(name): \(response.text)")
                #expect(response.json["error"]?["message"]?.string?.contains(words) == true, "\(name): \(response.text)")
            }
            #expect(
                try await cluster[0].batch([("one:echo", ["text": "x"]), ("echo", ["text": "x"])], key: key).outcome
                    == .failed(code: -32602))
            #expect(try await cluster[0].call("one:nothing", [:], key: key).outcome == .failed(code: -32602), "the server's own answer")
            #expect(try await cluster[1].balance(key).spent <= 1)
        }

        @Test("F-ACL-01: lists of tools hold prefixed names")
        func access() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(["allowedTools": ["two:echo"]])
            #expect(
                try await cluster[1].rpc("tools/list", [:], key: key).json["result"]?["tools"]?.array?.map { $0["name"]?.string } == [
                    "two:echo"
                ])
            #expect(await cluster[0].attempt("two:echo", ["text": "x"], key: key).isServed)
            #expect(await cluster[0].attempt("one:echo", ["text": "x"], key: key) == .denied("tool_not_allowed"))
        }
    }
}
