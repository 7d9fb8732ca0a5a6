// The table of answers that every test of the answer parser reads.

import Testing

/// Answers of an upstream, good and hostile, with what a strict parser has to say about each.
struct HTTP1ResponseSample: Sendable, CustomTestStringConvertible {
    let name: String
    let input: String
    let expected: String

    var testDescription: String { name }

    private init(_ name: String, _ input: String, _ expected: String) {
        self.name = name
        self.input = input
        self.expected = expected
    }

    /// A status line of 200, then the given field lines, then the body.
    private static func ok(_ name: String, _ lines: String, _ body: String, _ expected: String) -> Self {
        Self(name, "HTTP/1.1 200 OK\r\n\(lines)\r\n\(body)", expected)
    }

    private static let json = "Content-Type: application/json\r\n"
    private static let chunked = "Transfer-Encoding: chunked\r\n"

    static let all: [Self] = [
        ok("length", json + "Content-Length: 2\r\n", "{}", "200 json length(2) keep | body({})"),
        ok("chunks", json + chunked, "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "200 json chunked keep | body({})"),
        ok(
            "stream", "Content-Type: text/event-stream; a=b\r\n" + chunked, "3\r\na\n\n\r\n0\r\n\r\n",
            "200 eventStream chunked keep | body(a\n\n)"),
        ok("until close", "", "hello", "200 other untilClose close | body(hello)"),
        ok("until close, empty", "", "", "200 other untilClose close | body()"),
        ok("closing", "Connection: close\r\nContent-Length: 1\r\n", "x", "200 other length(1) close | body(x)"),
        Self("no reason", "HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n", "202 other length(0) keep | body()"),
        Self("204", "HTTP/1.1 204 No Content\r\n\r\n", "204 other none keep | body()"),
        Self("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 other none close | body()"),
        Self("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 other none keep | body()"),
        Self("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 other length(1) close | body(x)"),
        ok("provisional", "Content-Length: 1\r\n", "x", "200 other length(1) keep | body(x)").preceded(
            by: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n"),
        Self("switching", "HTTP/1.1 101 Switching\r\n\r\n", "malformedStatusLine"),
        Self("endless provisional", String(repeating: "HTTP/1.1 100 C\r\n\r\n", count: 9), "malformedStatusLine"),
        ok("length cut short", "Content-Length: 5\r\n", "hell", "200 other length(5) keep | truncated"),
        ok("chunks cut short", chunked, "5\r\nhell", "200 other chunked keep | truncated"),
        Self("head cut short", "HTTP/1.1 200 OK\r\n", "truncated"),
        Self("nothing", "", "truncated"),
        Self("status 600", "HTTP/1.1 600 X\r\n\r\n", "malformedStatusLine"),
        Self("status 99", "HTTP/1.1 099 X\r\n\r\n", "malformedStatusLine"),
        Self("status of two digits", "HTTP/1.1 20 X\r\n\r\n", "malformedStatusLine"),
        Self("status of four digits", "HTTP/1.1 2000\r\n\r\n", "malformedStatusLine"),
        Self("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "unsupportedVersion"),
        Self("no HTTP", "SSH-2.0-x\r\n\r\n", "malformedStatusLine"),
        Self("bare LF", "HTTP/1.1 200 OK\n\n", "malformedLineEnd"),
        ok("both lengths", chunked + "Content-Length: 5\r\n", "hello", "ambiguousFraming"),
        ok("two lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", "repeatedField(HTTPWire.HTTP1KnownField.contentLength)"),
        ok("other coding", "Transfer-Encoding: gzip\r\n", "", "unsupportedTransferCoding"),
        ok("folded", "X: 1\r\n 2\r\n", "", "foldedField"),
        ok("bad name", "X : 1\r\n", "", "malformedFieldName"),
    ]

    private func preceded(by prefix: String) -> Self {
        Self(name, prefix + input, expected)
    }
}
