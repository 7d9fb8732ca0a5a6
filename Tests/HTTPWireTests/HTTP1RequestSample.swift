// The table of requests that every test of the request parser reads.

import Testing

/// Requests, good and hostile, with what a strict parser has to say about each; every test of the request parser reads this table.
struct HTTP1RequestSample: Sendable, CustomTestStringConvertible {
    let name: String
    let input: String
    let expected: String

    var testDescription: String { name }
    var bytes: [UInt8] { Array(input.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }) }

    init(_ name: String, _ input: String, _ expected: String) {
        self.name = name
        self.input = input
        self.expected = expected
    }

    /// A request line and Host, then the given lines.
    private static func get(_ name: String, _ lines: String, _ expected: String) -> Self {
        Self(name, "GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n", expected)
    }

    /// A POST with the given field lines and whatever follows the empty line.
    private static func post(_ name: String, _ lines: String, _ body: String, _ expected: String) -> Self {
        Self(name, "POST /mcp HTTP/1.1\r\nHost: a\r\n\(lines)\r\n\(body)", expected)
    }

    private static func line(_ name: String, _ line: String, _ expected: String) -> Self {
        Self(name, "\(line)\r\nHost: a\r\n\r\n", expected)
    }

    private static let chunked = "Transfer-Encoding: chunked\r\n"

    static let all: [Self] = good + requestLines + fields + framings + chunks
    private static let getKept = "GET / none keep | body()"

    private static let good: [Self] = [
        get("plain GET", "", getKept),
        get("one empty line before", "", getKept).preceded(by: "\r\n"),
        get("empty field value", "X-Empty:\r\nX-Blank:   \r\n", getKept),
        get("tab and high bytes in a value", "X-Any: a\tb\u{E9}\u{FF}\r\n", getKept),
        get("every token byte in a name", "!#$%&'*+-.^_`|~09azAZ: 1\r\n", getKept),
        get("Connection: close among others", "Connection: foo, Close\r\n", "GET / none close | body()"),
        get("close beats keep-alive", "Connection: keep-alive\r\nConnection: close\r\n", "GET / none close | body()"),
        get("repeated Accept", "Accept: a/b\r\nAccept: c/d\r\n", getKept),
        line("query", "GET /a%20b?x=1&y=? HTTP/1.1", "GET /a%20b?x=1&y=? none keep | body()"),
        line("options on the server", "OPTIONS * HTTP/1.1", "OPTIONS * none keep | body()"),
        line("another method", "PROPFIND / HTTP/1.1", "PROPFIND / none keep | body()"),
        line("absolute target", "GET http://A/x?y HTTP/1.1", "GET /x?y none keep | body()"),
        line("absolute target without path", "GET HTTP://a HTTP/1.1", "GET / none keep | body()"),
        line("absolute target with a query only", "GET http://a?q HTTP/1.1", "GET /?q none keep | body()"),
        line("HTTP/1.0", "GET / HTTP/1.0", "GET / none close | body()"),
        Self("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET / none close | body()"),
        Self("HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", getKept),
        post("body", "Content-Length: 5\r\n", "hello", "POST /mcp length(5) keep | body(hello)"),
        post("empty body", "Content-Length: 0\r\n", "", "POST /mcp length(0) keep | body()"),
        post("body incomplete", "Content-Length: 5\r\n", "hell", "POST /mcp length(5) keep"),
        post("expectation", "Content-Length: 1\r\nExpect: 100-Continue\r\n", "x", "POST /mcp length(1) keep | body(x)"),
        post(
            "pipelined", "Content-Length: 2\r\n", "hiGET /n HTTP/1.1\r\nHost: a\r\n\r\nGET /m HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /mcp length(2) keep | body(hi) | GET /n none keep | body() | GET /m none keep | body()"
        ),
        post(
            "nothing after a closing request", "Content-Length: 2\r\nConnection: close\r\n", "hiGET /n HTTP/1.1\r\n\r\n",
            "POST /mcp length(2) close | body(hi)"
        ),
        post(
            "one empty line between requests", "Content-Length: 1\r\n", "x\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /mcp length(1) keep | body(x) | \(getKept)"
        ),
    ]

    private static let requestLines: [Self] = [
        line("two empty lines before", "\r\n\r\nGET / HTTP/1.1", "malformedMethod"),
        line("CR without LF before", "\rGET / HTTP/1.1", "malformedLineEnd"),
        line("leading space", " GET / HTTP/1.1", "malformedMethod"),
        line("tls", "\u{16}\u{3}\u{1}", "malformedMethod"),
        line("method with a colon", "GE:T / HTTP/1.1", "malformedRequestLine"),
        line("method too long", String(repeating: "A", count: 33) + " / HTTP/1.1", "malformedMethod"),
        line("no version", "GET /", "malformedRequestLine"),
        line("nothing but a method", "GET", "malformedRequestLine"),
        line("two spaces", "GET  / HTTP/1.1", "malformedRequestLine"),
        line("tab for a space", "GET\t/ HTTP/1.1", "malformedRequestLine"),
        line("space in target", "GET /a b HTTP/1.1", "malformedRequestLine"),
        line("space at the end", "GET / HTTP/1.1 ", "malformedRequestLine"),
        line("version 2", "GET / HTTP/2.0", "unsupportedVersion"),
        line("version 1.2", "GET / HTTP/1.2", "unsupportedVersion"),
        line("version in lower case", "GET / http/1.1", "malformedRequestLine"),
        line("version with more digits", "GET / HTTP/1.10", "malformedRequestLine"),
        line("relative target", "GET mcp HTTP/1.1", "malformedTarget"),
        line("star for GET", "GET * HTTP/1.1", "malformedTarget"),
        line("authority form", "CONNECT a:443 HTTP/1.1", "malformedTarget"),
        line("https target", "GET https://a/ HTTP/1.1", "malformedTarget"),
        line("absolute target without host", "GET http:///x HTTP/1.1", "malformedTarget"),
        line("user in target", "GET http://u@a/ HTTP/1.1", "malformedTarget"),
        line("absolute target for another host", "GET http://b/ HTTP/1.1", "malformedHost"),
        line("fragment", "GET /#x HTTP/1.1", "malformedTarget"),
        line("high byte in target", "GET /\u{E9} HTTP/1.1", "malformedTarget"),
        line("NUL in target", "GET /\0 HTTP/1.1", "forbiddenByte"),
        line("DEL in target", "GET /\u{7F} HTTP/1.1", "forbiddenByte"),
        line("target too long", "GET /" + String(repeating: "a", count: 8_192) + " HTTP/1.1", "targetTooLong"),
        Self("bare LF", "GET / HTTP/1.1\nHost: a\n\n", "malformedLineEnd"),
        Self("bare CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", "malformedLineEnd"),
    ]

    private static let fields: [Self] = [
        Self("no Host", "GET / HTTP/1.1\r\n\r\n", "missingHost"),
        get("two Hosts", "Host: a\r\n", "repeatedField(HTTPWire.HTTP1KnownField.host)"),
        Self("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "malformedHost"),
        Self("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "malformedHost"),
        Self("Host list", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "malformedHost"),
        Self("Host in HTTP/1.0 twice", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", "repeatedField(HTTPWire.HTTP1KnownField.host)"),
        get("space before the colon", "X-A : 1\r\n", "malformedFieldName"),
        get("tab before the colon", "X-A\t: 1\r\n", "malformedFieldName"),
        get("no colon", "X-A\r\n", "malformedFieldName"),
        get("no name", ": 1\r\n", "malformedFieldName"),
        get("folded", "X-A: 1\r\n  more\r\n", "foldedField"),
        get("folded with a tab", "X-A: 1\r\n\tmore\r\n", "foldedField"),
        Self("space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "foldedField"),
        get("high byte in a name", "X-\u{E9}: 1\r\n", "malformedFieldName"),
        get("NUL in a name", "X-\0A: 1\r\n", "forbiddenByte"),
        get("NUL in a value", "X-A: 1\0\r\n", "forbiddenByte"),
        get("escape in a value", "X-A: \u{1B}[2J\r\n", "forbiddenByte"),
        get("CR in a value", "X-A: 1\r2\r\n", "malformedLineEnd"),
        get("LF in a value", "X-A: 1\nX-B: 2\r\n", "malformedLineEnd"),
        get("two keys", "X-API-Key: a\r\nx-api-key: a\r\n", "repeatedField(HTTPWire.HTTP1KnownField.xAPIKey)"),
        get("two authorizations", "Authorization: a\r\nauthorization: b\r\n", "repeatedField(HTTPWire.HTTP1KnownField.authorization)"),
        get("two sessions", "Mcp-Session-Id: a\r\nMCP-SESSION-ID: b\r\n", "repeatedField(HTTPWire.HTTP1KnownField.mcpSessionID)"),
        get("two empty admin keys", "X-Admin-Key:\r\nX-Admin-Key:\r\n", "repeatedField(HTTPWire.HTTP1KnownField.xAdminKey)"),
        get("head too large", "X-A: " + String(repeating: "a", count: 32_768) + "\r\n", "headTooLarge"),
        get("too many fields", String(repeating: "X: 1\r\n", count: 100), "tooManyFields"),
        get("as many fields as allowed", String(repeating: "X: 1\r\n", count: 99), getKept),
        get("another expectation", "Expect: 200-ok\r\n", "unsupportedExpectation"),
    ]

    private static let framings: [Self] = [
        post("both lengths", "Content-Length: 5\r\n\(chunked)", "0\r\n\r\n", "ambiguousFraming"),
        post("both lengths, other order", "\(chunked)Content-Length: 5\r\n", "0\r\n\r\n", "ambiguousFraming"),
        post(
            "equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello",
            "repeatedField(HTTPWire.HTTP1KnownField.contentLength)"
        ),
        post("list of lengths", "Content-Length: 5, 5\r\n", "hello", "malformedContentLength"),
        post("signed length", "Content-Length: +5\r\n", "hello", "malformedContentLength"),
        post("negative length", "Content-Length: -5\r\n", "hello", "malformedContentLength"),
        post("hexadecimal length", "Content-Length: 0x5\r\n", "hello", "malformedContentLength"),
        post("empty length", "Content-Length: \r\n", "hello", "malformedContentLength"),
        post("length with a space", "Content-Length: 5 5\r\n", "hello", "malformedContentLength"),
        post("overflowing length", "Content-Length: 9223372036854775808\r\n", "hello", "malformedContentLength"),
        post("long length", "Content-Length: 00000000000000000005\r\n", "hello", "malformedContentLength"),
        post(
            "huge length", "Content-Length: 9223372036854775807\r\n", "hello", "POST /mcp length(9223372036854775807) keep | bodyTooLarge"),
        post("length at the limit plus one", "Content-Length: 1001\r\n", "", "POST /mcp length(1001) keep | bodyTooLarge"),
        post("other coding", "Transfer-Encoding: gzip\r\n", "", "unsupportedTransferCoding"),
        post("coding list", "Transfer-Encoding: gzip, chunked\r\n", "", "unsupportedTransferCoding"),
        post("chunked twice in a list", "Transfer-Encoding: chunked, chunked\r\n", "", "unsupportedTransferCoding"),
        post("identity", "Transfer-Encoding: identity\r\n", "", "unsupportedTransferCoding"),
        post("nearly chunked", "Transfer-Encoding: xchunked\r\n", "", "unsupportedTransferCoding"),
        post("chunked with a parameter", "Transfer-Encoding: chunked;a\r\n", "", "unsupportedTransferCoding"),
        post("empty coding", "Transfer-Encoding:\r\n", "", "unsupportedTransferCoding"),
        post("vertical tab in the coding", "Transfer-Encoding: \u{B}chunked\r\n", "", "forbiddenByte"),
        post("chunked twice", "\(chunked)\(chunked)", "", "repeatedField(HTTPWire.HTTP1KnownField.transferEncoding)"),
        Self("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ambiguousFraming"),
    ]

    private static let chunkedHead = "POST /mcp chunked keep"

    private static func chunks(_ name: String, _ body: String, _ expected: String) -> Self {
        post(name, chunked, body, "\(chunkedHead) | \(expected)")
    }

    private static let chunks: [Self] = [
        chunks("chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "body(hello world)"),
        post("coding in capitals", "Transfer-Encoding:  CHUNKED \r\n", "0\r\n\r\n", "\(chunkedHead) | body()"),
        chunks("size with zeros", "0005\r\nhello\r\n000\r\n\r\n", "body(hello)"),
        chunks("size in either case", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "body(01234567890123456789)"),
        chunks("extension", "5;a=\"b c\"\r\nhello\r\n0;x\r\n\r\n", "body(hello)"),
        chunks("trailers dropped", "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-T: 2\r\n\r\n", "body(hello)"),
        chunks("request after chunks", "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "body(x) | \(getKept)"),
        chunks("extension too long", "5;" + String(repeating: "a", count: 256) + "\r\n", "malformedChunk"),
        chunks("control byte in an extension", "5;a\u{1}\r\n", "malformedChunk"),
        chunks("tab in an extension", "5;\ta\r\n", "malformedChunk"),
        chunks("space after size", "5 \r\nhello\r\n", "malformedChunk"),
        chunks("space before size", " 5\r\nhello\r\n", "malformedChunk"),
        chunks("signed size", "+5\r\nhello\r\n", "malformedChunk"),
        chunks("negative size", "-5\r\nhello\r\n", "malformedChunk"),
        chunks("prefixed size", "0x5\r\nhello\r\n", "malformedChunk"),
        chunks("empty size", "\r\nhello\r\n", "malformedChunk"),
        chunks("size without digits", ";a\r\nhello\r\n", "malformedChunk"),
        chunks("overflowing size", "FFFFFFFFFFFFFFFFF\r\n", "malformedChunk"),
        chunks("size beyond signed", "FFFFFFFFFFFFFFFF\r\n", "malformedChunk"),
        chunks("size wraps to a small one", "10000000000000005\r\nhello\r\n", "malformedChunk"),
        chunks("huge size", "7FFFFFFF\r\n", "bodyTooLarge"),
        chunks("chunks above the limit together", "3E8\r\n" + String(repeating: "a", count: 1_000) + "\r\n1\r\na\r\n", "bodyTooLarge"),
        chunks("bare LF after size", "5\nhello\r\n", "malformedChunk"),
        chunks("bare CR after size", "5\rhello\r\n", "malformedChunk"),
        chunks("data longer than size", "4\r\nhello\r\n0\r\n\r\n", "malformedChunk"),
        chunks("bare LF after data", "5\r\nhello\n0\r\n\r\n", "malformedChunk"),
        chunks("CR and something after data", "5\r\nhello\rx0\r\n\r\n", "malformedChunk"),
        chunks("length in trailers", "0\r\nContent-Length: 5\r\n\r\n", "ambiguousFraming"),
        chunks("key in trailers", "0\r\nX-API-Key: 5\r\n\r\n", "ambiguousFraming"),
        chunks("malformed trailer", "0\r\nX : 5\r\n\r\n", "malformedFieldName"),
        chunks("bare LF in trailers", "0\r\nX: 5\n\r\n", "malformedLineEnd"),
        chunks("too many trailers", "0\r\n" + String(repeating: "X: 1\r\n", count: 101) + "\r\n", "tooManyFields"),
        chunks("trailers too large", "0\r\nX: " + String(repeating: "a", count: 8_192) + "\r\n\r\n", "headTooLarge"),
    ]

    private func preceded(by prefix: String) -> Self {
        Self(name, prefix + input, expected)
    }
}
