// Several servers behind one gate, beyond their tools: lists in pages, prompts, resources, completion, levels, and one that is down.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite(
        "Several servers, all that they have",
        .cluster(
            nodes: 2, ["--tool-separator", "."], upstream: .configured,
            config: [
                "servers": [
                    ["prefix": "a", "serverCommand": "python3", "serverArgs": [.string(Repository.server("paging_server.py")), "a"]],
                    ["prefix": "b", "serverCommand": "python3", "serverArgs": [.string(Repository.server("paging_server.py")), "b"]],
                    [
                        "prefix": "mute", "serverCommand": "python3",
                        "serverArgs": [.string(Repository.server("paging_server.py")), "mute", "silent"],
                    ],
                    ["prefix": "down", "remoteUrl": "http://127.0.0.1:9/mcp"],
                ]
            ]))
    struct SeveralServersTests {
        /// All pages of a list, each of another node.
        private func all(_ method: String, _ list: String, _ name: String, key: String) async throws -> [String] {
            let cluster = try SharedCluster.cluster
            var names: [String] = []
            var params: JSON = [:]
            for page in 0..<10 {
                let answer = try await cluster[page].rpc(method, params, key: key)
                let result = try #require(answer.json["result"], "\(answer.text)")
                names += result[list]?.array?.compactMap { $0[name]?.string } ?? []
                guard let cursor = result["nextCursor"]?.string else { return names }
                params = ["cursor": .string(cursor)]
            }
            return names
        }

        @Test("F-MULTI-01: every page of every server's list is in the merged one, over any node, under names that tell whose they are")
        func pages() async throws {
            let key = try await SharedCluster.cluster[0].createKey()
            func names(_ server: String) -> Set<String> { Set((0..<5).map { "\(server).\(server)-\($0)" }) }
            let tools = try await all("tools/list", "tools", "name", key: key)
            #expect(Set(tools) == names("a").union(names("b")).union(names("mute")) && tools.count == 15, "\(tools)")
            let prompts = try await all("prompts/list", "prompts", "name", key: key)
            #expect(Set(prompts) == names("a").union(names("b")) && prompts.count == 10, "\(prompts)")
            let own = ["a", "b"].flatMap { server in (0..<4).map { "test://\(server)/\($0)" } }
            let resources = try await all("resources/list", "resources", "uri", key: key)
            #expect(Set(resources) == Set(own + ["test://common", "b:test://common"]) && resources.count == 10, "\(resources)")
            let templates = try await all("resources/templates/list", "resourceTemplates", "uriTemplate", key: key)
            #expect(templates == ["test://a/item/{n}", "test://b/item/{n}"])
        }

        @Test("A prompt, a resource and a completion are asked of the server that has them, on every node; what no server has is its error")
        func owners() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 10)
            for node in cluster.clients {
                func text(_ method: String, _ params: JSON) async throws -> String { try await node.rpc(method, params, key: key).text }
                for server in ["a", "b"] {
                    #expect(try await text("prompts/get", ["name": .string("\(server).\(server)-4")]).contains("\"\(server) \(server)-4\""))
                    for uri in ["test://\(server)/3", "test://\(server)/item/7"] {
                        #expect(try await text("resources/read", ["uri": .string(uri)]).contains("\"\(server) \(uri)\""))
                    }
                    let prompt: JSON = [
                        "ref": ["type": "ref/prompt", "name": .string("\(server).x")], "argument": ["name": "n", "value": "v"],
                    ]
                    #expect(try await text("completion/complete", prompt).contains("\"\(server) x\""))
                    let template: JSON = [
                        "ref": ["type": "ref/resource", "uri": .string("test://\(server)/item/{n}")],
                        "argument": ["name": "n", "value": "v"],
                    ]
                    #expect(try await text("completion/complete", template).contains("\"\(server) test://\(server)/item/{n}\""))
                    #expect(try await node.call("\(server).\(server)-1", key: key).outcome.text?.hasPrefix("\(server) \(server)-1") == true)
                }
                #expect(try await text("resources/read", ["uri": "test://common"]).contains("\"a test://common\""))
                #expect(try await text("resources/read", ["uri": "b:test://common"]).contains("\"b test://common\""))
                #expect(try await text("resources/read", ["uri": "test://nowhere"]).contains("\"error\""))
                #expect(try await text("prompts/get", ["name": "a-1"]).contains("-32602"))
                #expect(try await text("tools/list", ["cursor": "pages-7b7d"]).contains("-32602"))
                #expect(try await text("tools/list", ["cursor": "2"]).contains("-32602"))
            }
        }

        @Test(
            "The handshake has the capabilities and instructions of all; a level is set on all; a server that is down is named in /health")
        func together() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 10)
            let result = try #require(try await cluster[1].initialize(key: key).json["result"])
            #expect(result["capabilities"]?["tools"]?["listChanged"] == true && result["capabilities"]?["resources"]?["subscribe"] == true)
            #expect(["prompts", "completions", "logging"].allSatisfy { result["capabilities"]?[$0] != nil }, "\(result.text)")
            #expect(result["instructions"] == "[a] I am a.\n\n[b] I am b.\n\n[mute] I am mute.")
            #expect(try await cluster[0].rpc("logging/setLevel", ["level": "error"], key: key).json["result"] != nil)
            for server in ["a", "b"] {
                #expect(try await cluster[0].call("\(server).\(server)-0", key: key).outcome.text?.contains("info") == true)
            }
            for node in cluster.clients {
                let health = try await node.get("/health")
                let servers = try #require(health.json["servers"]?.array)
                #expect(servers.map { $0["name"]?.string } == ["a", "b", "mute", "down"])
                #expect(servers.map { $0["connected"] } == [true, true, true, false], "\(health.text)")
                #expect(servers.last?["reason"]?.string?.isEmpty == false)
                #expect(try await node.get("/ready").status == 200)
            }
        }
    }
}
