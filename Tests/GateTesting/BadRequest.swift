// Requests that no good client sends, and what each is answered with.

import Testing

/// A body for `POST /mcp` that is well-formed HTTP.
package struct BadBody: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    package let body: [UInt8]
    package let contentType: String?
    package let status: Int
    /// The JSON-RPC code of the answer, if it is one.
    package let code: Int?

    init(_ description: String, _ body: String, status: Int = 400, code: Int? = -32700, contentType: String? = "application/json") {
        self.init(description, Array(body.utf8), status: status, code: code, contentType: contentType)
    }

    init(_ description: String, _ body: [UInt8], status: Int = 400, code: Int? = -32700, contentType: String? = "application/json") {
        (testDescription, self.body, self.status, self.code, self.contentType) = (description, body, status, code, contentType)
    }

    package static let parseErrors = [
        BadBody("nothing", ""),
        BadBody("half an object", #"{"jsonrpc":"2.0","id":1"#),
        BadBody("two objects", #"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#),
        BadBody("a trailing comma", #"{"jsonrpc":"2.0","id":1,"method":"ping",}"#),
        BadBody("single quotes", "{'jsonrpc':'2.0','id':1,'method':'ping'}"),
        BadBody("NaN", #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":NaN,"b":1}}}"#),
        BadBody("Infinity", #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":Infinity,"b":1}}}"#),
        BadBody("a number with a leading zero", #"{"jsonrpc":"2.0","id":01,"method":"ping"}"#),
        BadBody("100,000 brackets", String(repeating: "[", count: 100_000)),
        BadBody("deep nesting in the arguments", nested(50_000)),
        BadBody("broken UTF-8 in a name", #"{"jsonrpc":"2.0","id":1,"method":"p"#.utf8 + [0xC3, 0x28] + Array(#"ng"}"#.utf8)),
        BadBody("broken UTF-8 in the arguments", around([0xFF, 0xFE])),
        BadBody("an overlong encoding", around([0xC0, 0xAF])),
        BadBody("a surrogate in UTF-8", around([0xED, 0xA0, 0x80])),
        BadBody("a raw control character in a string", around([0x01])),
        BadBody("a NUL byte after the object", #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.utf8 + [0]),
    ]

    package static let envelopes = [
        BadBody("a string", #""ping""#, code: -32600),
        BadBody("a number", "1", code: -32600),
        BadBody("null", "null", code: -32600),
        BadBody("an array", #"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, code: -32600),
        BadBody("no version", #"{"id":1,"method":"ping"}"#, code: -32600),
        BadBody("another version", #"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, code: -32600),
        BadBody("a number as version", #"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, code: -32600),
        BadBody("no method", #"{"jsonrpc":"2.0","id":1}"#, code: -32600),
        BadBody("a number as method", #"{"jsonrpc":"2.0","id":1,"method":7}"#, code: -32600),
        BadBody("an object as id", #"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, code: -32600),
        BadBody("an array as id", #"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, code: -32600),
        BadBody("a boolean as id", #"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, code: -32600),
    ]

    package static let parameters = [
        BadBody("no params", call("null"), status: 200, code: -32602),
        BadBody("an array as params", call("[]"), status: 200, code: -32602),
        BadBody("no tool name", call(#"{"arguments":{}}"#), status: 200, code: -32602),
        BadBody("a number as tool name", call(#"{"name":7}"#), status: 200, code: -32602),
        BadBody("an empty batch", call(#"{"calls":[]}"#, "tools/call_batch"), status: 200, code: -32602),
        BadBody("a batch without calls", call("{}", "tools/call_batch"), status: 200, code: -32602),
        BadBody("a batch of a number", call(#"{"calls":[1]}"#, "tools/call_batch"), status: 200, code: -32602),
        BadBody(
            "a batch of 101",
            call(#"{"calls":["# + Array(repeating: #"{"name":"echo"}"#, count: 101).joined(separator: ",") + "]}", "tools/call_batch"),
            status: 200, code: -32602),
    ]

    package static let http = [
        BadBody("a text", #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, status: 415, code: nil, contentType: "text/plain"),
        BadBody("a form", "jsonrpc=2.0", status: 415, code: nil, contentType: "application/x-www-form-urlencoded"),
        BadBody("no content type", #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, status: 415, code: nil, contentType: nil),
        BadBody("1 MiB and a byte", padded(to: 1_048_577), status: 413, code: nil),
        BadBody("8 MiB", padded(to: 8 << 20), status: 413, code: nil),
    ]

    /// A good call of exactly so many bytes.
    package static func padded(to size: Int) -> [UInt8] {
        let head = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":""#, tail = #""}}}"#
        return head.utf8 + Array(repeating: UInt8(ascii: "x"), count: size - head.utf8.count - tail.utf8.count) + tail.utf8
    }

    private static func call(_ params: String, _ method: String = "tools/call") -> String {
        #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#
    }

    private static func around(_ bytes: [UInt8]) -> [UInt8] {
        let text = call(#"{"name":"echo","arguments":{"text":"|"}}"#).utf8.split(separator: UInt8(ascii: "|"))
        return Array(text[0]) + bytes + Array(text[1])
    }

    private static func nested(_ depth: Int) -> String {
        call(
            #"{"name":"echo","arguments":{"text":"x","deep":"# + String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
                + "}}")
    }
}

/// Bytes that are no proper HTTP/1.1 request, or that two parsers could read in two ways.
package struct BadFraming: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    package let bytes: [UInt8]

    private init(_ description: String, _ lines: [String], body: String = "") {
        testDescription = description
        bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }

    private init(_ description: String, raw: String) {
        (testDescription, bytes) = (description, Array(raw.utf8))
    }

    /// What would be a second request if the first were read in another way.
    private static let hidden = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    private static let ping = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#

    private static func post(_ description: String, _ fields: String..., body: String) -> BadFraming {
        BadFraming(description, ["POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json"] + fields, body: body)
    }

    package static let all: [BadFraming] = [
        post("Content-Length and Transfer-Encoding", "Content-Length: 40", "Transfer-Encoding: chunked", body: "0\r\n\r\n" + hidden),
        post("Transfer-Encoding and Content-Length", "Transfer-Encoding: chunked", "Content-Length: 5", body: "0\r\n\r\n" + hidden),
        post("two Content-Lengths that differ", "Content-Length: 40", "Content-Length: 0", body: ping + hidden),
        post("a list of Content-Lengths", "Content-Length: 40, 0", body: ping + hidden),
        post("a signed Content-Length", "Content-Length: +40", body: ping),
        post("a negative Content-Length", "Content-Length: -1", body: ping),
        post("a hexadecimal Content-Length", "Content-Length: 0x28", body: ping),
        post("a Content-Length above every integer", "Content-Length: 184467440737095516160", body: ping),
        post("an empty Content-Length", "Content-Length: ", body: ping),
        post("an unknown coding", "Transfer-Encoding: xchunked", body: "0\r\n\r\n" + hidden),
        post("a coding after chunked", "Transfer-Encoding: chunked, identity", body: "0\r\n\r\n" + hidden),
        post("chunked twice", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body: "0\r\n\r\n" + hidden),
        post("a space before the colon", "Transfer-Encoding : chunked", body: "0\r\n\r\n" + hidden),
        post("a NUL in a field's name", "X-\0A: 1", "Content-Length: 0", body: hidden),
        post("a NUL in a field's value", "X-A: 1\02", "Content-Length: 0", body: hidden),
        post("a bare CR in a field's value", "X-A: 1\rContent-Length: 0", "Content-Length: 40", body: ping),
        post("a folded field", "X-A: 1\r\n Content-Length: 0", "Content-Length: 40", body: ping),
        post("a field without a colon", "Content-Length 40", body: ping),
        post("a field without a name", ": 40", body: ping),
        post("a chunk size that is no number", "Transfer-Encoding: chunked", body: "z\r\n\(ping)\r\n0\r\n\r\n"),
        post("a negative chunk size", "Transfer-Encoding: chunked", body: "-1\r\n\r\n0\r\n\r\n"),
        post("a chunk size that overflows", "Transfer-Encoding: chunked", body: "10000000000000028\r\n\(ping)\r\n0\r\n\r\n"),
        post("a chunk longer than its size", "Transfer-Encoding: chunked", body: "5\r\n\(ping)\r\n0\r\n\r\n" + hidden),
        post("100 KB of fields", "X-A: " + String(repeating: "a", count: 100_000), body: ""),
        BadFraming("10,000 fields", ["GET / HTTP/1.1", "Host: localhost"] + (0..<10_000).map { "X-\($0): 1" }),
        BadFraming("no host", ["GET / HTTP/1.1"]),
        BadFraming("two hosts", ["GET / HTTP/1.1", "Host: a", "Host: b"]),
        BadFraming("an unknown version", ["GET / HTTP/9.9", "Host: localhost"]),
        BadFraming("no version", ["GET /", "Host: localhost"]),
        BadFraming("three spaces in the request line", ["GET  /  HTTP/1.1", "Host: localhost"]),
        BadFraming("a control character in the target", ["GET /\u{1} HTTP/1.1", "Host: localhost"]),
        BadFraming("a method that is no token", ["G(T / HTTP/1.1", "Host: localhost"]),
        BadFraming("a target of 100 KB", ["GET /" + String(repeating: "a", count: 100_000) + " HTTP/1.1", "Host: localhost"]),
        BadFraming("an HTTP/2 preface", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BadFraming("a TLS hello", raw: "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{1}\u{3}\u{3}\r\n\r\n"),
        BadFraming("a Redis command", raw: "*1\r\n$4\r\nPING\r\n\r\n"),
    ]
}
