// The edges of MCP as raw HTTP: what must be refused, what must pass, and what servers do that the examples of the specification do not show.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("The edges of MCP")
    struct EdgeTests {
        /// One request and what has to come back.
        struct Row: CustomTestStringConvertible {
            let what: String
            var verb = "POST"
            var body: String?
            var bytes: [UInt8]?
            var headers: [String: String] = [:]
            var status = 200
            var has: [String] = []
            var lacks: [String] = []

            var testDescription: String { what }
        }

        static let modern = ["MCP-Protocol-Version": "2026-07-28"]
        static let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#

        static func request(_ method: String, _ params: String = "{}") -> String {
            #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
        }

        static let noID = [#""id""#]

        static let rows: [Row] = [
            // A request with the name of a notification is answered by the gate, in both eras, also without a key.
            Row(
                what: "cancelled as a request", body: request("notifications/cancelled", #"{"requestId":7}"#), has: ["-32601", #""id":1"#]),
            Row(what: "the same in escapes", body: request(#"notifications\/cancelled"#, #"{"requestId":7}"#), has: ["-32601"]),
            Row(what: "initialized as a request", body: request("notifications/initialized"), has: ["-32601"]),
            Row(what: "the bare initialized", body: request("initialized"), has: ["-32601"]),
            Row(what: "a notification that nobody knows", body: request("notifications/acme"), has: ["-32601"]),
            Row(
                what: "cancelled as a request of 2026-07-28", body: request("notifications/cancelled", "{\"requestId\":7,\(meta)}"),
                headers: modern.merging(["Mcp-Method": "notifications/cancelled"]) { $1 }, status: 404, has: ["-32601"]),
            // A revision that is not served.
            Row(
                what: "GET in an unknown revision", verb: "GET",
                headers: ["MCP-Protocol-Version": "1999-01-01", "Accept": "text/event-stream"], status: 400, has: ["-32022", "1999-01-01"],
                lacks: noID),
            Row(
                what: "DELETE in an unknown revision", verb: "DELETE",
                headers: ["MCP-Protocol-Version": "1999-01-01", "Mcp-Session-Id": "mcp_sess_0"], status: 400, has: ["-32022"]),
            // What is no request has no id to be answered under.
            Row(what: "a broken body", body: "{", status: 400, has: ["-32700"], lacks: noID),
            Row(what: "a batch", body: "[]", status: 400, has: ["-32600"], lacks: noID),
            Row(
                what: "a notification in a session that there is not",
                body: #"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
                headers: ["Mcp-Session-Id": "mcp_sess_00000000000000000000000000000000"], status: 404, has: ["Session not found"],
                lacks: noID),
            Row(
                what: "a response in a session that there is not", body: #"{"jsonrpc":"2.0","id":5,"result":{}}"#,
                headers: ["Mcp-Session-Id": "mcp_sess_00000000000000000000000000000000"], status: 404, has: ["Session not found"],
                lacks: noID),
            Row(
                what: "a request in a session that there is not", body: request("ping"),
                headers: ["Mcp-Session-Id": "mcp_sess_00000000000000000000000000000000"], status: 404, has: [#""id":1"#]),
            // What the body is packed in.
            Row(
                what: "a compressed body", bytes: [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], headers: ["Content-Encoding": "gzip"], status: 415,
                has: ["Content-Encoding"]),
            Row(what: "a body that is said to be compressed", body: request("ping"), headers: ["Content-Encoding": "br"], status: 415),
            Row(what: "a body that is said to be plain", body: request("ping"), headers: ["Content-Encoding": "Identity"], has: ["result"]),
            // What stands there twice could be read in two ways.
            Row(
                what: "two levels", body: request("logging/setLevel", #"{"level":"debug","level":"error"}"#), status: 400,
                has: [#"duplicate member \"level\""#]),
            Row(
                what: "two references", body: request("completion/complete", #"{"ref":{"name":"a"},"ref":{"name":"b"}}"#), status: 400,
                has: [#"duplicate member \"ref\""#]),
            Row(
                what: "two names in a reference",
                body: request("completion/complete", #"{"ref":{"type":"ref/prompt","name":"a","n\u0061me":"b"}}"#), status: 400,
                has: [#"duplicate member \"name\""#]),
            Row(
                what: "a reference with a name in another letter case",
                body: request("completion/complete", #"{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}"#), status: 400,
                has: [#"member \"name\" must be spelled"#]),
            Row(
                what: "two states", body: request("tools/call", #"{"name":"echo","requestState":"a","requestState":"b"}"#), status: 400,
                has: [#"duplicate member \"requestState\""#]),
            Row(
                what: "two sets of answers", body: request("tools/call", #"{"name":"echo","inputResponses":{},"inputResponses":{}}"#),
                status: 400, has: [#"duplicate member \"inputResponses\""#]),
            // Cursors.
            Row(what: "a cursor that is a number", body: request("tools/list", #"{"cursor":5}"#), has: ["-32602", "cursor"]),
            Row(what: "a cursor that is an object", body: request("resources/list", #"{"cursor":{}}"#), has: ["-32602"]),
            Row(what: "no cursor", body: request("tools/list", #"{"cursor":null}"#), has: ["late"]),
            // Browsers.
            Row(
                what: "a preflight for a call of a tool that has arguments in headers", verb: "OPTIONS",
                headers: [
                    "Origin": "http://page.example", "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "content-type, Mcp-Param-Region,mcp-param-b , x-evil, mcp-param-(",
                ], status: 204, has: ["Mcp-Param-Region, mcp-param-b", "Mcp-Method"], lacks: ["x-evil", "mcp-param-("]),
        ]

        @Test(
            "issue 14: requests at the edge of the specification are answered by the gate, with their status, and no server hears of them")
        func raw() async throws {
            let server = try EdgeServer()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let keys = [try await cluster[0].createKey(credits: 9), try await cluster[0].createKey(credits: 9)]
                async let victim = cluster[0].call("late", ["seconds": 3], key: keys[0])
                try await eventually("it runs", within: .seconds(20)) { server.heard.contains("tools/call late") }
                for row in Self.rows {
                    for key in [nil, keys[1]] {
                        var headers = row.headers
                        if let key { headers["X-API-Key"] = key }
                        let body = row.bytes ?? row.body.map { Array($0.utf8) }
                        if body != nil { headers["Content-Type"] = "application/json" }
                        let fields = headers.map { (key: $0.key, value: $0.value) }
                        let response = try await cluster[0].send(row.verb, "/mcp", headers: fields, body: body)
                        let said = response.text + (response.header("Access-Control-Allow-Headers") ?? "")
                        #expect(response.status == row.status, "\(row.what): \(said)")
                        for part in row.has { #expect(said.contains(part), "\(row.what) lacks \(part): \(said)") }
                        for part in row.lacks { #expect(!said.contains(part), "\(row.what) has \(part): \(said)") }
                    }
                }
                for number in 1...40 {
                    _ = try await cluster[0].rpc("notifications/cancelled", ["requestId": .int(number)], key: keys[1])
                }
                #expect(try await victim.outcome.text == "done", "nobody gives up the call of another key")
                #expect(!server.heard.contains { $0.hasPrefix("notifications/") && !$0.hasPrefix("notifications/initialized") })
                #expect(server.heard.count { $0.hasPrefix("notifications/initialized") } == 1, "the gate's own")
                #expect(try await cluster[0].balance(keys[1]).credits == 9)
            }
        }

        @Test(
            "issue 14: a stranger's lists do not end the logs of a gate's only key, a read is given up on any node, a question is taken back"
        )
        func clients() async throws {
            let server = try EdgeServer()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 99)
                let session = try await cluster[0].openSession(key: key)
                let log = Self.request("tools/call", #"{"name":"log","arguments":{}}"#)
                for turn in 0..<2 {
                    let call = try await OpenCall(on: cluster.nodes[0], log, session: session, key: key)
                    try await eventually("it is answered", within: .seconds(20)) { call.text.contains("logged") }
                    #expect(call.text.contains("notifications/message"), "\(turn): \(call.text)")
                    await call.close()
                    #expect(try await cluster[0].rpc("tools/list", ["cursor": "x"]).outcome.isServed)
                    _ = try await cluster[0].rpc("initialized", [:])
                }

                let header: GateClient.Headers = [("Mcp-Session-Id", session)]
                async let read = cluster[0].rpc("resources/read", ["uri": "slow:1"], key: key, id: 77, headers: header)
                try await eventually("it is read", within: .seconds(20)) { server.heard.contains("resources/read slow:1") }
                let other = try await cluster[0].createKey()
                for (node, proof) in [(0, other), (1, key)] {
                    _ = try await cluster[node].notify(
                        "notifications/cancelled", ["requestId": 77], headers: header + [("X-API-Key", proof)])
                }
                #expect(try await read.outcome == .failed(code: -32603))
                try await eventually("the server is told, once") { server.heard.count { $0.hasPrefix("notifications/cancelled") } == 1 }

                let asked = try await cluster[0].openSession(asking: key)
                let retract = Self.request("tools/call", #"{"name":"retract","arguments":{}}"#)
                let call = try await OpenCall(on: cluster.nodes[0], retract, session: asked, key: key)
                try await eventually("the call ends", within: .seconds(20)) { call.text.contains(#""end""#) }
                let id = try await call.questions().first
                #expect(call.text.contains(#""notifications/cancelled","params":{"requestId":"\#(id ?? "none")""#), "\(call.text)")
                await call.close()
            }
        }

        @Test(
            "F-TMO-01: the time for a tool stands still while a person thinks, in both eras, and goes on after the answer",
            arguments: ["stdio", "http"])
        func thinking(_ transport: String) async throws {
            let edge = try EdgeServer()
            let server = transport == "http" ? try await AskingServer(.handshakeEra(), over: transport) : nil
            let (tool, arguments): (String, JSON) = server == nil ? ("ask", [:]) : ("elicit", ["text": "who"])
            let config: JSON = ["toolPricing": [tool: ["timeoutMs": 4000]]]
            try await GateCluster.run(nodes: 1, upstream: server?.upstream ?? edge.upstream, config: config) { cluster in
                let key = try await cluster[0].createKey(credits: 99)
                let session = try await cluster[0].openSession(asking: key)
                // What the servers keep for the two clients is there before the time is taken.
                let header: GateClient.Headers = [("Mcp-Session-Id", session)]
                #expect(try await cluster[0].call("echo", ["text": "x"], key: key, headers: header).outcome.isServed)
                #expect(try await AskedCall("echo", ["text": "x"], key: key).begin(on: cluster[0]).outcome.isServed)
                let body = Self.request("tools/call", #"{"name":"\#(tool)","arguments":\#(arguments.text)}"#)
                let call = try await OpenCall(on: cluster.nodes[0], body, session: session, key: key)
                let id = try await call.question()
                let round = AskedCall(tool, arguments, key: key)
                let answers = try AskedCall.answers(to: try await round.begin(on: cluster[0]))
                // Longer than the tool may take.
                try await Task.sleep(for: .milliseconds(4500))
                #expect(!call.text.contains("-32004"), "\(call.text)")
                let answer = #"{"jsonrpc":"2.0","id":"\#(id)","result":{"action":"accept","content":{"name":"ada"}}}"#
                #expect(try await cluster[0].reply(answer, session: session, key: key) == 202)
                try await eventually("it is answered", within: .seconds(20)) { call.text.contains("ada") }
                await call.close()
                let last = try await cluster[0].stateless(
                    "tools/call", round.params.merging(answers) { $1 }, meta: AskedCall.meta, key: key)
                #expect(last.outcome.text?.contains("ada") == true, "\(last.text)")
            }
        }

        @Test(
            "issue 14: an HTTP server's 404 to a request is its answer and the request is sent once; a stream that it ends while it works is resumed"
        )
        func http() async throws {
            let server = try await ScriptedUpstream()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 9)
                let refused = try await cluster[0].call("own404", key: key)
                #expect(refused.outcome == .failed(code: -32601) && refused.text.contains("Method not found"), "\(refused.text)")
                #expect(try await cluster[0].call("poll", key: key).outcome.text == "polled")
                let requests = server.requests
                #expect(requests.count { $0["name"] == "own404" } == 1)
                #expect(requests.count { $0["method"] == "initialize" } == 1)
                #expect(requests.count { $0["headers"]?["last-event-id"]?.string?.hasPrefix("poll-") ?? false } == 3)
                #expect(requests.allSatisfy { $0["headers"]?["accept-encoding"] == "identity" })
            }
        }

        @Test("issue 14: an HTTP server without sessions is listened to")
        func sessionless() async throws {
            let server = try await ScriptedUpstream(flags: ["sessionless"])
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 9)
                let stream = try await LiveStream(on: cluster.nodes[0], session: try await cluster[0].openSession(key: key), key: key)
                try await eventually("both listen", within: .seconds(20)) {
                    server.requests.contains { $0["verb"] == "GET" } && stream.text.contains("\n\n")
                }
                try await eventually("the news is there", within: .seconds(20), every: .milliseconds(200)) {
                    _ = try await cluster[0].call("change", key: key)
                    return stream.text.contains("list_changed")
                }
                await stream.close()
            }
        }

        @Test("issue 14: a later page of several servers' list that one of them does not give is an error, and not the end of its list")
        func pages() async throws {
            let servers = [try EdgeServer("a"), try EdgeServer("b")]
            let config: JSON = ["servers": .array(servers.map(\.entry))]
            try await GateCluster.run(nodes: 1, upstream: .configured, config: config) { cluster in
                func page(_ cursors: JSON) async throws -> GateResponse {
                    let cursor = "pages-" + cursors.text.utf8.map { String(format: "%02x", $0) }.joined()
                    return try await cluster[0].rpc("resources/list", ["cursor": .string(cursor)])
                }
                try await eventually("both are there", within: .seconds(20)) {
                    try await page(["a": "2", "b": "2"]).json["result"]?["resources"]?.array?.count == 2
                }
                let broken = try await page(["a": "2", "b": "broken"])
                #expect(broken.outcome == .failed(code: -32603) && broken.text.contains("the page is lost"), "\(broken.text)")
            }
        }
    }

    /// `Servers/edge_server.py` and what it has heard.
    final class EdgeServer: Sendable {
        private let directory: TemporaryDirectory
        private let name: String

        init(_ name: String = "edge") throws {
            directory = try TemporaryDirectory()
            self.name = name
        }

        private var arguments: [String] { [Repository.server("edge_server.py"), directory.path, name] }
        var upstream: Upstream { .command((["python3"] + arguments).joined(separator: " ")) }

        /// As one of several servers of a configuration.
        var entry: JSON { ["prefix": .string(name), "serverCommand": "python3", "serverArgs": .array(arguments.map { .string($0) })] }

        /// The method of each message and what it is about.
        var heard: [String] {
            let text = FileManager.default.contents(atPath: directory.file("heard")) ?? Data()
            return String(decoding: text, as: UTF8.self).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }
}

extension EndToEndTests.OpenCall {
    /// The ids of all that the client has been asked so far.
    func questions() async throws -> [String] {
        text.split(separator: "\n").filter { $0.hasPrefix("data:") && $0.contains("elicitation/create") }.compactMap {
            JSON($0.dropFirst(5).utf8)?["id"]?.string
        }
    }
}
