// What the arguments of tools have to be, registered while the gates run.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Schemas of arguments")
    struct ToolSchemaTests {
        private static let schema: JSON = [
            "type": "object", "required": ["text"], "additionalProperties": false,
            "properties": [
                "text": ["type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"], "count": ["type": "integer"],
            ],
        ]

        @Test(
            "F-SCHEMA-01, F-RPC-06, V21: arguments that do not fit the schema of their tool are refused with what is wrong with them, on every node from the answer on and after a restart; the server hears nothing of them and they cost nothing"
        )
        func refused() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 2, upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                func note(_ arguments: JSON, on node: Int) async throws -> GateResponse {
                    try await cluster[node].call("note", arguments, key: key)
                }
                #expect(try await note(["text": "before it"], on: 1).outcome.isServed)
                let made = try await cluster[0].order("/admin/tools/schema", ["tool": "note", "schema": Self.schema])
                #expect(made["toolName"] == "note" && made["schema"] == Self.schema && made["createdAt"] == made["updatedAt"])
                for node in 0..<2 {
                    #expect(try await note(["text": "good"], on: node).outcome.isServed)
                    for (arguments, path) in [
                        (["text": 7], "$.text"), ([:], "$.text"), (["text": "GOOD"], "$.text"), (["text": "much too long"], "$.text"),
                        (["text": "good", "count": 1.5], "$.count"), (["text": "good", "other": 1], "$.other"),
                    ] as [(JSON, JSON)] {
                        let answer = try await note(arguments, on: node)
                        #expect(answer.outcome == .failed(code: -32602), "\(arguments.text): \(answer.text)")
                        let data = answer.json["error"]?["data"]
                        #expect(data?["reason"] == "schema_invalid" && data?["errors"]?[0]?["path"] == path, "\(answer.text)")
                        #expect(data?["errors"]?[0]?["message"]?.string?.hasPrefix("Must ") == true)
                    }
                    let twice = Array(
                        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"note","arguments":{"text":"EVIL","text":"good"}}}"#
                            .utf8)
                    #expect(
                        try await cluster[node].post(twice, key: key).outcome == .failed(code: -32602), "the server may read the other one")
                    let batch = try await cluster[node].batch([("note", ["text": "good"]), ("note", ["text": 7])], key: key)
                    #expect(batch.outcome == .failed(code: -32602) && batch.json["error"]?["data"]?["failedIndex"] == 1, "\(batch.text)")
                }
                #expect(recording.calls == ["before it", "good", "good"])
                #expect(try await cluster[1].balance(key).spent == 3)
                try await eventually("all of them are counted", within: .seconds(10)) {
                    let page = try await cluster[1].admin("/admin/tools/schema").json
                    return page["totalValidations"] == 20 && page["totalFailures"] == 16
                }
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(try await note(["text": 7], on: 1).outcome == .failed(code: -32602))
                let page = try await cluster[0].admin("/admin/tools/schema").json
                #expect(
                    page["totalSchemas"] == 1 && page["schemas"]?[0]?["toolName"] == "note" && page["schemas"]?[0]?["schema"] == Self.schema
                )
                let changed = try await cluster[1].order(
                    "/admin/tools/schema", ["toolName": "note", "schema": ["properties": ["text": ["enum": ["one", 2, nil]]]]])
                #expect(changed["createdAt"] == made["createdAt"] && changed["updatedAt"] != made["updatedAt"])
                #expect(try await note(["text": "one"], on: 0).outcome.isServed)
                #expect(try await note(["text": "good"], on: 0).outcome == .failed(code: -32602))
                let removed = try await cluster[0].send("DELETE", "/admin/tools/schema?tool=note", headers: Self.admin)
                #expect(removed.json == ["removed": "note"])
                #expect(try await cluster[1].send("DELETE", "/admin/tools/schema?tool=note", headers: Self.admin).status == 404)
                #expect(try await note(["text": "now free again"], on: 1).outcome.isServed)
                let types = try await cluster[1].admin("/audit?types=tool_schema.registered,tool_schema.removed").json["events"]?.array
                #expect(types?.count == 3)
            }
        }

        @Test(
            "F-SCHEMA-01: a schema that the gate does not check in all it says is refused and says why; what is there stays, and has a bound"
        )
        func badSchemas() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                func refusal(_ body: JSON) async throws -> String {
                    let answer = try await cluster[0].admin("/admin/tools/schema", body)
                    return "\(answer.status) \(answer.json["error"]?.string ?? answer.text)"
                }
                let faults: [(schema: JSON, sentence: String)] = [
                    (["anyOf": []], "400 Invalid schema.anyOf. Must not be there"),
                    (["properties": ["a": ["type": "text"]]], "400 Invalid schema.properties.a.type. Must be one"),
                    (["pattern": "("], "400 Invalid schema.pattern. "),
                    (["minLength": -1], "400 Invalid schema.minLength. Must be a whole"),
                    (["enum": [[]]], "400 Invalid schema.enum. Must be a list"),
                    (["required": ["a", "a"]], "400 Invalid schema.required."),
                    (["items": []], "400 Invalid schema.items. Must be a schema"), ("text", "400 Invalid schema. Must be"),
                    (["title": .string(String(repeating: "x", count: 17_000))], "400 Invalid schema. Must have at most 16384 bytes"),
                ]
                for fault in faults {
                    let found = try await refusal(["tool": "echo", "schema": fault.schema])
                    #expect(found.hasPrefix(fault.sentence), "\(found)")
                }
                #expect(try await refusal(["schema": [:]]) == "400 Missing tool")
                #expect(try await cluster[0].admin("/admin/tools/schema").json["totalSchemas"] == 0)
                let large: JSON = ["title": .string(String(repeating: "x", count: 16_000))]
                for index in 0..<16 { try await cluster[0].order("/admin/tools/schema", ["tool": .string("t\(index)"), "schema": large]) }
                #expect(try await refusal(["tool": "one more", "schema": large]).hasPrefix("400 There may be at most 500 schemas"))
                #expect(try await cluster[0].admin("/admin/tools/schema").json["totalSchemas"] == 16)
            }
        }

        private static let admin: GateClient.Headers = [("X-Admin-Key", GateClient.adminKey)]
    }
}
