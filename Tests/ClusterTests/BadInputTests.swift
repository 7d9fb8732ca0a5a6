// Hostile input: each is refused in the way that fits it, and the node serves on.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Bad input")
    struct BadInputTests {
        @Test("X34: malformed JSON, wrong envelopes, wrong types and sizes get their status and code; a good client beside them is served")
        func bodies() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0], gate = node.client
                let key = try await gate.createKey()
                let before = node.program.residentKilobytes
                let good = try await underLoad(workers: 1, pause: .milliseconds(5), { _ in await gate.echo(key: key) }) {
                    for bad in BadBody.parseErrors + BadBody.envelopes + BadBody.parameters + BadBody.http {
                        let headers: GateClient.Headers = [("X-API-Key", key)] + (bad.contentType.map { [("Content-Type", $0)] } ?? [])
                        let response = try await gate.send("POST", "/mcp", headers: headers, body: bad.body)
                        #expect(response.status == bad.status, "\(bad.testDescription): \(response.text.prefix(300))")
                        #expect(response.json["error"]?["code"]?.int == bad.code, "\(bad.testDescription): \(response.text.prefix(300))")
                        #expect(response.elapsed < .seconds(5).patiently, "\(bad.testDescription)")
                    }
                }
                #expect(Tally(good).served == good.count)
                #expect(try await gate.balance(key).spent == good.count, "M5: what was malformed cost nothing")
                #expect(node.program.residentKilobytes - before < 128 << 10)
            }
        }

        @Test("F-HTTP-03: a call of exactly 1 MiB is served")
        func largestBody() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let key = try await cluster[0].createKey()
                let response = try await cluster[0].post(BadBody.padded(to: 1_048_576), key: key)
                #expect(response.outcome.isServed)
            }
        }

        @Test("X34: huge numbers and odd but legal JSON are answered, by the tool or with an error, within 5 s")
        func oddButLegal() async throws {
            let values = [
                "1e400", "-1e-400", String(repeating: "9", count: 400), "0.1e1", #""\ud83d\ude00""#, #""\u0000""#, #""\ud800""#, "[[[]]]",
                "{}",
            ]
            try await GateCluster.run(nodes: 1) { cluster in
                let key = try await cluster[0].createKey()
                for value in values {
                    let body =
                        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x","odd":\#(value)}}}"#
                    let response = try? await cluster[0].post(Array(body.utf8), key: key, within: .seconds(5))
                    #expect(response?.status == 200 || response?.status == 400, "\(value.prefix(20)): \(response?.text ?? "no answer")")
                }
                #expect(await cluster[0].echo(key: key).isServed)
            }
        }

        @Test(
            "F-SEC-02: a member that comes twice cannot slip a denied tool past the gate",
            arguments: [
                #"{"name":"echo","name":"add","arguments":{"a":1,"b":2,"text":"x"}}"#,
                #"{"name":"add","name":"echo","arguments":{"a":1,"b":2,"text":"x"}}"#,
                #"{"name":"echo","n\u0061me":"add","arguments":{"a":1,"b":2,"text":"x"}}"#,
                #"{"n\u0061me":"add","arguments":{"a":1,"b":2,"text":"x"}}"#,
                #"{"name":"\u0061dd","arguments":{"a":1,"b":2,"text":"x"}}"#,
                #"{"name":"echo","arguments":{"text":"x"}},"params":{"name":"add","arguments":{"a":1,"b":2}}"#,
            ])
        func duplicates(_ params: String) async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let key = try await cluster[0].createKey(["deniedTools": ["add"]])
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(params)}"#
                let response = try await cluster[0].post(Array(body.utf8), key: key)
                #expect(response.outcome.text != "3", "the denied tool ran: \(response.text)")
                #expect(
                    (400..<500).contains(response.status) || response.outcome.word == "tool_denied", "\(response.status) \(response.text)")
            }
        }

        @Test("X36: ambiguous or broken framing is refused, one request never becomes two, and the node serves on")
        func framing() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                for bad in BadFraming.all {
                    let answer = try await RawConnection.exchange(bad.bytes, port: node.port)
                    #expect(answer.isAnswered, "\(bad.testDescription): no answer within 5 s")
                    #expect(answer.statuses.count <= 1, "\(bad.testDescription): \(answer.text.prefix(500))")
                    #expect(
                        answer.statuses.allSatisfy { (400..<500).contains($0) || $0 == 501 || $0 == 505 },
                        "\(bad.testDescription): \(answer.text.prefix(300))")
                    #expect(!answer.text.contains("hidden"), "\(bad.testDescription)")
                }
                #expect(await node.client.echo(key: key).isServed)
            }
        }

        @Test("F-HTTP-05: unknown paths are 404, wrong methods 405, and HEAD has no body")
        func routes() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let gate = cluster[0]
                #expect(try await gate.get("/no/such/path").status == 404)
                #expect(try await gate.get("/../../etc/passwd").status == 404)
                #expect(try await gate.get("/mcp").status == 405)
                #expect(try await gate.send("PUT", "/mcp", body: Array("{}".utf8)).status == 405)
                #expect(try await gate.send("DELETE", "/keys").status == 405)
                #expect(try await gate.admin("/health", [:]).status == 405)
                let head = try await gate.send("HEAD", "/health")
                #expect(head.status == 200 && head.body.isEmpty)
            }
        }

        @Test("F26: a connection is closed only after an answer that said so, also where a body was not asked for")
        func keptConnections() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let port = cluster.nodes[0].port, fields = "Host: localhost\r\nContent-Type: application/json\r\n"
                let refused = [
                    "POST /health": 405, "POST /no/such/path": 404, "POST /keys": 401, "PUT /mcp": 405, "POST /mcp": 400,
                    "DELETE /keys": 405,
                ]
                for (start, status) in refused {
                    let connection = try await RawConnection(port: port)
                    await connection.send("\(start) HTTP/1.1\r\n\(fields)Content-Length: 20\r\n\r\n")
                    try await Task.sleep(for: .milliseconds(50))
                    await connection.send(String(repeating: "{", count: 20))
                    try await connection.waitForAnswer()
                    try await Task.sleep(for: .milliseconds(100))
                    await connection.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    try await connection.waitForAnswer(atLeast: 2)
                    let isAnnounced = connection.text.lowercased().contains("connection: close")
                    #expect(connection.statuses == (isAnnounced ? [status] : [status, 200]), "\(start): \(connection.text)")
                    await connection.close()
                }
            }
        }

        @Test("X36, F-HDR-02: no CR, LF or other odd byte of a request id reaches a header, a log line or a metric")
        func requestIDs() async throws {
            try await GateCluster.run(nodes: 1, ["--log-level", "debug"]) { cluster in
                let gate = cluster[0]
                #expect(try await gate.get("/health", headers: [("X-Request-Id", "good-ID_1.2")]).header("X-Request-Id") == "good-ID_1.2")
                for odd in ["a b", "a\"b", "<script>", "ü", String(repeating: "a", count: 129), "a;b", "a\tb"] {
                    let id = try #require(try await gate.get("/health", headers: [("X-Request-Id", odd)]).header("X-Request-Id"))
                    #expect(id.hasPrefix("req_") && id.utf8.count == 20, "\(odd) became \(id)")
                }
                #expect(!cluster.nodes[0].log.contains("<script>"))
            }
        }

        @Test("X39: unknown, partial, doubled, glob, admin and overlong keys are denied, in either header")
        func forgedKeys() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let gate = cluster[0]
                let key = try await gate.createKey()
                let forged = [
                    String(key.dropLast()), key + "0", key.uppercased(), "pg_*", "*", "\(key),\(key)", "\(key) \(key)", GateClient.adminKey,
                    "pg_",
                    "pg_" + String(repeating: "0", count: 48), String(repeating: "k", count: 4000), "../\(key)", "{\(key)}", "pg:keys",
                ]
                for forgery in forged {
                    #expect(await gate.echo(key: forgery).word == "invalid_api_key", "\(forgery)")
                    let bearer = try await gate.call("echo", ["text": "x"], key: nil, headers: [("Authorization", "Bearer \(forgery)")])
                    #expect(bearer.outcome.word == "invalid_api_key", "\(forgery)")
                    #expect(try await gate.get("/balance", headers: [("X-API-Key", forgery)]).status == 401)
                    #expect(
                        try await gate.get("/keys", headers: [("X-Admin-Key", forgery)]).status == 401 || forgery == GateClient.adminKey)
                }
                #expect(try await gate.call("echo", key: nil).outcome == .denied("missing_api_key"))
                #expect(try await gate.call("echo", key: "").outcome.word.hasSuffix("_api_key"))
                let twice = try await gate.call(
                    "echo", ["text": "x"], key: key, headers: [("X-API-Key", "pg_" + String(repeating: "1", count: 48))])
                #expect(!twice.outcome.isServed, "two keys are no key")
                #expect(
                    try await gate.call("echo", ["text": "x"], key: nil, headers: [("Authorization", "Bearer \(key)")]).outcome.isServed)
            }
        }

        @Test("X35: amounts that are no whole number from 1 to 10^9 are refused with 4xx and have no effect")
        func amounts() async throws {
            let amounts = [
                "-1", "0", "0.5", "-0.5", "1e10", "1e400", "-1e400", "NaN", "Infinity", "true", "[]", "{}", "\"ten\"", "9007199254740993",
                String(repeating: "9", count: 400),
            ]
            try await GateCluster.run(nodes: 1) { cluster in
                let gate = cluster[0]
                let key = try await gate.createKey(credits: 100)
                for amount in amounts {
                    for (path, field) in [("/topup", "credits"), ("/limits", "spendingLimit")] where !(path == "/limits" && amount == "0") {
                        let body = #"{"key":"\#(key)","\#(field)":\#(amount)}"#
                        let response = try await gate.admin(path, text: body)
                        let isFloored = false
                        #expect(
                            (400..<500).contains(response.status) || isFloored,
                            "POST \(path) \(amount): \(response.status) \(response.text)")
                    }
                    let create = try await gate.admin("/keys", text: #"{"name":"x","credits":\#(amount)}"#)
                    #expect((400..<500).contains(create.status), "POST /keys \(amount): \(create.status) \(create.text)")
                }
                let balance = try await gate.balance(key)
                #expect(balance.credits == 100)
                #expect(try await gate.order("/topup", ["key": .string(key), "credits": 1.9])["credits"] == 101, "F-PRICE-02: floored")
                #expect(try await gate.admin("/keys").json.array?.count == 1)
            }
        }
    }
}
