// What the kit's hostile clients and servers really send, as what fuzzers begin with.

import Foundation
import Testing

/// Small messages of each kind: what is large in an attack is short here, as a fuzzer gains nothing by length.
package enum FuzzCorpus {
    /// Bodies of `POST /mcp`, good and hostile.
    package static let bodies: [[UInt8]] = {
        let methods = ["initialize", "ping", "tools/list", "tools/call", "tasks/get", "resources/subscribe", "notifications/cancelled"]
        let params: JSON = [
            "name": "echo", "arguments": ["text": "x"], "cursor": "eyJ", "uri": "file:///a", "taskId": "task-0", "requestId": 7,
            "protocolVersion": "2025-11-25", "_meta": ["progressToken": "p"],
        ]
        let bad = BadBody.parseErrors + BadBody.envelopes + BadBody.parameters + BadBody.http
        let bombs = UnicodeBomb.small.map { Array($0.bytes.dropFirst(headLength(of: $0.bytes))) }
        return short(methods.map { Array(HostileClient.request($0, params).utf8) } + bad.map(\.body) + bombs)
    }()

    /// Whole requests, well framed and badly.
    package static let requests: [[UInt8]] = short(
        UnicodeBomb.small.map(\.bytes) + BadFraming.all.map(\.bytes) + [
            HostileClient.get("/mcp", headers: "Accept: text/event-stream\r\n"), HostileClient.get("/openapi.json"),
            HostileClient.post(HostileClient.request("ping"), version: "1.0"),
        ])

    /// What stands in one field of a head each: names of keys, sessions, origins, addresses.
    package static let fields: [[UInt8]] = short(
        requests.flatMap { request in
            request.split(separator: UInt8(ascii: "\n")).dropFirst().compactMap { line in
                line.firstIndex(of: UInt8(ascii: ":")).map { Array(line[($0 + 1)...].filter { $0 != 0x0D }.drop { $0 == 0x20 }) }
            }
        })

    /// What `hostile_stdio_server.py` writes, line by line.
    package static func lines() async throws -> [[UInt8]] { try await recordedLines.value }
    /// What `hostile_http_server.py` answers, head and body; an answer without an end is cut.
    package static func answers() async throws -> [[UInt8]] { try await recordedAnswers.value }

    /// The event streams among the answers, without their chunks.
    package static func streams() async throws -> [[UInt8]] {
        try await answers().compactMap { answer in
            let head = answer.prefix(headLength(of: answer))
            guard String(decoding: head, as: UTF8.self).contains("text/event-stream") else { return nil }
            // Data lines stand at the beginning of a line; what tells the chunks apart does not look like one.
            let text = String(decoding: answer.dropFirst(head.count), as: UTF8.self)
            return Array(text.replacing(/(?:\r\n)?[0-9a-f]+\r\n/, with: "").utf8)
        }
    }

    /// Tools whose answers say something of the machine, or never end.
    private static let unasked: Set<String> = ["spy", "environment", "offspring", "leave"]
    private static let recordedLines = Task { try await HostileServer.lines(leavingOut: unasked) }
    private static let recordedAnswers = Task { try await HostileServer.answers() }

    private static func headLength(of message: [UInt8]) -> Int {
        message.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound ?? message.count
    }

    private static func short(_ messages: [[UInt8]]) -> [[UInt8]] { messages.filter { $0.count <= 2000 } }
}

extension HostileServer {
    /// What the tools are asked for; those that repeat it make a task of it.
    private static let text = #"{"content":[],"resultType":"task","task":{"taskId":"t"}}"#

    private static func call(_ tool: String, id: Int) -> String {
        HostileClient.request("tools/call", ["name": .string(tool), "arguments": ["text": .string(text)]], id: .int(id))
    }

    /// The names that stand in a list of tools.
    private static func tools(in list: String) -> [String] {
        list.matches(of: /"name": ?"([a-z_0-9]+)"/).map { String($0.1) }.sorted()
    }

    /// Everything that the server on standard input says, in an order that is always the same.
    fileprivate static func lines(leavingOut unasked: Set<String>) async throws -> [[UInt8]] {
        let directory = try TemporaryDirectory()
        // Standard input stays open until all has been said.
        let steps = """
            say() { while [ ! -e "$1" ]; do sleep 0.02; done; cat "$1"; }
            (say first; say second; say third; say last) | python3 "$0" .
            """
        let server = try Program("hostile server", ["sh", "-c", steps, Repository.server("hostile_stdio_server.py")], in: directory.path)
        func step(_ name: String, _ messages: [String]) async throws {
            // Only a file that is whole has its name.
            try directory.write(messages.map { $0 + "\n" }.joined(), to: name)
        }
        func heard(_ words: [String]) async throws {
            try await eventually("the hostile server has said \(words)", within: .seconds(30)) {
                let log = server.log
                return words.allSatisfy { log.contains($0) }
            }
        }
        try await step("first", [HostileClient.request("initialize", id: 1000), HostileClient.request("tools/list", id: 1001)])
        try await heard([#""id":1001"#])
        let tools = tools(in: server.log).filter { !unasked.contains($0) && $0 != "hostile" }
        let calls = tools.enumerated().map { call($1, id: 2000 + 10 * $0) }
        let others = ["tasks/list", "tasks/get", "resources/subscribe", "prompts/list"].enumerated().map {
            HostileClient.request($1, ["taskId": "task-0", "uri": "file:///a"], id: .int(1002 + $0))
        }
        try await step("second", calls + others)
        let answered = tools.indices.filter { tools[$0] != "silent" }.map { "\(2000 + 10 * $0)," } + ["1005,"]
        try await heard(answered)
        if let silent = tools.firstIndex(of: "silent") {
            let cancelled: JSON = [
                "jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": .int(2000 + 10 * silent)],
            ]
            try await step("third", [cancelled.text])
            try await heard(["given up"])
        }
        var length = -1
        try await eventually("nothing more is said", every: .milliseconds(200)) {
            defer { length = server.output.count }
            return server.output.count == length
        }
        try await step("last", [])
        _ = try await server.waitForExit(within: .seconds(10))
        let lines = server.output.split(separator: UInt8(ascii: "\n")).map(Array.init)
        return lines.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// What the server over HTTP answers, one answer a tool.
    fileprivate static func answers() async throws -> [[UInt8]] {
        let server = try await http()
        guard case .remote(let url) = server.upstream, let port = URL(string: url)?.port else { throw KitFailure("no port") }
        let first = try await RawConnection(port: port)
        await first.send(HostileClient.post(HostileClient.request("initialize")))
        try await eventually { first.text.contains("serverInfo") }
        guard let session = first.text.firstMatch(of: /mcp-session-id: ([0-9a-f]+)/)?.1 else { throw KitFailure("no session") }
        let headers = "Mcp-Session-Id: \(session)\r\n"
        await first.send(HostileClient.post(HostileClient.request("tools/list"), headers: headers))
        try await eventually { first.text.contains("inputSchema") && first.text.hasSuffix("]}}") }
        await first.close()
        // The one that forgets the sessions comes last.
        let tools = tools(in: first.text).filter { !["hostile", "lost_404"].contains($0) } + ["lost_404"]
        var answers: [[UInt8]] = []
        for (index, tool) in tools.enumerated() {
            let connection = try await RawConnection(port: port)
            // The answer to the second request says that the first one has been answered.
            let end = HostileClient.post(HostileClient.request("no/such"), headers: headers)
            await connection.send(HostileClient.post(call(tool, id: 1000 + index), headers: headers) + end)
            try await eventually("\(tool) has been answered") {
                connection.isEnded || connection.count > 65_536 || connection.text.contains(" not found")
            }
            await connection.close()
            let bytes = connection.bytes
            let head = Array("HTTP/1.1 ".utf8)
            let starts = bytes.indices.filter { bytes[$0...].starts(with: head) }
            let isFollowed = connection.text.contains(" not found") && starts.count > 1
            answers.append(Array((isFollowed ? bytes[..<starts[starts.count - 1]] : bytes[...]).prefix(2000)))
        }
        return answers
    }
}
