// Texts that are costly to compare, in every place that a client can name.

import Testing

/// A text that is costly to compare, in one place of a request.
package struct UnicodeBomb: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    package let bytes: [UInt8]
    /// How many have to come at once for their cost to be noticed: to hash 30 kilobytes of such a text takes a sixth of a second, to hash a
    /// megabyte minutes.
    package let atOnce: Int

    /// Where a text of so many bytes is put.
    private struct Size {
        /// In a body, which has room for a megabyte.
        let body: Int
        /// In a field of a head, which has room for 30 kilobytes.
        let field: Int

        /// - Parameter places: how often the body has the text.
        func post(_ description: String, places: Int = 1, headers: String = "", body: (String) -> String) -> UnicodeBomb {
            let body = body(HostileClient.unicodeBomb(bytes: self.body / places))
            precondition(body.utf8.count < 1 << 20, "a body that is too large is refused unread, and attacks nothing")
            return UnicodeBomb(testDescription: description, bytes: HostileClient.post(body, headers: headers), atOnce: 4)
        }

        func head(_ description: String, _ field: String, body: String = HostileClient.request("ping")) -> UnicodeBomb {
            UnicodeBomb(testDescription: description, bytes: HostileClient.post(body, headers: line(field)), atOnce: 60)
        }

        func page(_ description: String, _ path: String, _ field: String) -> UnicodeBomb {
            UnicodeBomb(testDescription: description, bytes: HostileClient.get(path, headers: line(field)), atOnce: 60)
        }

        /// What a page in a browser asks before it sends this header; 8 kilobytes of it are read.
        func preflight(_ description: String, _ name: String) -> UnicodeBomb {
            let line = "Access-Control-Request-Headers: \(name)\(HostileClient.unicodeBomb(bytes: min(field, 8000)))\r\n"
            let head = "OPTIONS /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://a.example\r\n\(line)\r\n"
            return UnicodeBomb(testDescription: description, bytes: Array(head.utf8), atOnce: 60)
        }

        private func line(_ field: String) -> String { "\(field)\(HostileClient.unicodeBomb(bytes: self.field))\r\n" }
    }

    private static let call = HostileClient.request("tools/call", ["name": "echo", "arguments": ["text": "x"]])

    /// A request of the revision 2026-07-28 without sessions, and the headers that repeat its method.
    private static func stateless(_ method: String, _ params: [String: JSON] = [:], meta: [String: JSON] = [:]) -> String {
        let own: [String: JSON] = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:],
        ]
        return HostileClient.request(method, .object(params.merging(["_meta": .object(own.merging(meta) { $1 })]) { $1 }))
    }

    private static func repeating(_ method: String) -> String { "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: \(method)\r\n" }

    /// As large as they get past the limits of sizes.
    package static let all = all(Size(body: 1_000_000, field: 30_000))
    /// A few hundred bytes of each.
    package static let small = all(Size(body: 200, field: 100))

    private static func all(_ size: Size) -> [UnicodeBomb] {
        [
            size.post("tool name") { HostileClient.request("tools/call", ["name": .string($0)]) },
            size.post("tool name in a batch", places: 2) {
                HostileClient.request("tools/call_batch", ["calls": [["name": .string($0)], ["name": .string($0 + "x")]]])
            },
            size.post("method") { HostileClient.request($0) },
            size.post("method that begins like one of ours") {
                HostileClient.request("resources/subscribe\($0.unicodeScalars.dropFirst())")
            },
            size.post("method that begins like one of many") { HostileClient.request("tasks/list\($0.unicodeScalars.dropFirst())") },
            size.post("id") { HostileClient.request("ping", id: .string($0)) },
            size.post("version of a handshake") { HostileClient.request("initialize", ["protocolVersion": .string($0)]) },
            size.post("declared version") {
                HostileClient.request("tools/list", ["_meta": ["io.modelcontextprotocol/protocolVersion": .string($0)]])
            },
            size.post("progress token") { HostileClient.request("tools/list", ["_meta": ["progressToken": .string($0)]]) },
            size.post("cancelled request") { HostileClient.request("notifications/cancelled", ["requestId": .string($0)]) },
            // As text: a dictionary of ours would take as long over it as one of theirs.
            size.post("name of a member") { #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"\#($0)":1}}"# },
            size.post("names of two members", places: 2) {
                #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"\#($0)":1,"\#($0)x":2}}"#
            },
            size.post("cursor") { HostileClient.request("tools/list", ["cursor": .string($0)]) },
            size.post("arguments") { #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"\#($0)":1}}}"# },
            size.post("uri") { HostileClient.request("resources/read", ["uri": .string($0)]) },
            size.head("API key", "X-API-Key: ", body: call), size.head("bearer token", "Authorization: Bearer ", body: call),
            size.head("session id", "Mcp-Session-Id: "), size.head("session id with our prefix", "Mcp-Session-Id: mcp_sess_"),
            size.head("origin", "Origin: https://"), size.head("revision", "MCP-Protocol-Version: "),
            size.head("idempotency key", "X-Idempotency-Key: ", body: call), size.head("request id", "X-Request-Id: "),
            size.head("forwarded address", "X-Forwarded-For: "), size.head("media type", "Accept: "),
            size.head("a field that nobody knows", "X-Unheard: "),
            size.page("admin key", "/keys", "X-Admin-Key: "), size.page("key of a page", "/balance", "X-API-Key: "),
            size.page("origin of a page", "/health", "Origin: "),
            size.page("cookies", "/health", "Cookie: "),
            size.page("id of an event", "/mcp", "Accept: text/event-stream\r\nLast-Event-ID: "),
            size.preflight("header that a page wants to send", "mcp-param-"),
            size.post("id of a response") { #"{"jsonrpc":"2.0","id":"\#($0)","result":{}}"# },
            size.post("method in an array") { "[" + HostileClient.request("tools/list\($0.unicodeScalars.dropFirst())") + "]" },
            size.post("method without a session", headers: repeating("tools/call")) {
                stateless("tools/call\($0.unicodeScalars.dropFirst())")
            },
            // Of a declaration no more is read.
            size.post("capability of a request", places: 70, headers: repeating("tools/call")) {
                stateless(
                    "tools/call", ["name": "echo"], meta: ["io.modelcontextprotocol/clientCapabilities": ["elicitation": .string($0)]])
            },
            size.post("level of logs", headers: repeating("tools/list")) {
                stateless("tools/list", meta: ["io.modelcontextprotocol/logLevel": .string("info\($0.unicodeScalars.dropFirst())")])
            },
            size.post("state of a round", headers: repeating("tools/call") + "Mcp-Name: echo\r\n") {
                stateless("tools/call", ["name": "echo", "requestState": .string($0)])
            },
            size.head("method in a header", "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list", body: stateless("tools/list")),
            size.head("name in a header", repeating("tools/call") + "Mcp-Name: echo", body: stateless("tools/call", ["name": "echo"])),
        ]
    }
}
