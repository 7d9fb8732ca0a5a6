// What the request parser reads and what it refuses.

import HTTPWire
import NIOCore
import Testing

@Suite("HTTP/1 requests")
struct HTTP1RequestParserTests {
    @Test("X36 every request is read or refused as the table says", arguments: HTTP1RequestSample.all)
    func table(sample: HTTP1RequestSample) {
        #expect(HTTP1Transcript.requests([sample.bytes]).description == sample.expected)
    }

    @Test("X36 where the input is cut does not change what is read", arguments: HTTP1RequestSample.all)
    func cuts(sample: HTTP1RequestSample) {
        let bytes = sample.bytes
        // Long inputs are cut at fewer places; their odd places are at both ends.
        let stride = bytes.count > 2_000 ? 97 : 1
        for cut in Swift.stride(from: 1, to: bytes.count, by: stride) {
            let transcript = HTTP1Transcript.requests([Array(bytes[..<cut]), Array(bytes[cut...])])
            #expect(transcript.description == sample.expected, "cut at \(cut)")
        }
    }

    @Test("X36 bytes that come one by one are read like all at once, in either body mode", arguments: HTTP1RequestSample.all)
    func single(sample: HTTP1RequestSample) {
        let pieces = sample.bytes.map { [$0] }
        #expect(HTTP1Transcript.requests(pieces).description == sample.expected)
        let parts = HTTP1Transcript.requests(pieces, mode: .parts(limit: 1_000)).description
        #expect(parts == sample.expected)
    }

    @Test("F-HTTP-03 a body above the limit is refused before it is read")
    func announcedBodyTooLarge() throws {
        var parser = HTTP1RequestParser()
        parser.append(ByteBuffer(string: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n"))
        guard case .head = parser.next() else { throw HTTP1UnexpectedStep() }
        guard case .fault(.bodyTooLarge) = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(HTTP1Fault.bodyTooLarge.status == 413)
    }

    @Test("A fault comes once, and nothing after it is read")
    func faultIsFinal() throws {
        var parser = HTTP1RequestParser()
        parser.append(ByteBuffer(string: "GET\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        guard case .fault = parser.next() else { throw HTTP1UnexpectedStep() }
        parser.append(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        guard case .needMore = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(parser.bufferedBytes == 0)
    }

    @Test("Requests come one at a time; the next one waits")
    func oneAtATime() throws {
        var parser = HTTP1RequestParser()
        #expect(parser.isIdle == true)
        let one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        parser.append(ByteBuffer(string: one + one))
        guard case .head = parser.next(), case .whole = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(parser.isIdle == false)
        #expect(parser.bufferedBytes == one.utf8.count)
        guard case .head = parser.next(), case .whole = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(parser.isIdle == true)
    }

    @Test("A head gives its fields without regard to case, and the rest in order")
    func headFields() throws {
        let head = try #require(
            Self.head(
                """
                POST /mcp?a=1 HTTP/1.1\r\nHOST: gate:3000\r\nX-Api-Key:  pg_1 \r\nMCP-Protocol-Version: 2025-11-25\r
                Accept: application/json, text/event-stream;q=0.5\r\nContent-Type: Application/JSON; charset=utf-8\r
                Mcp-Param-Region: eu\r\nX-Empty:\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}
                """
            )
        )
        #expect(head.method == .post)
        #expect(head.hasPath("/mcp"))
        #expect(!head.hasPath("/mc"))
        #expect(head.hasPath(prefix: "/m"))
        #expect(head.query == "a=1")
        #expect(head.expectsContinue)
        #expect(head.fields.string(of: .host) == "gate:3000")
        #expect(head.fields.value(of: .xAPIKey).map(Array.init) == Array("pg_1".utf8))
        #expect(head.fields.withValue(of: .xAPIKey) { $0.count } == 4)
        #expect(head.fields.string(of: .mcpProtocolVersion) == "2025-11-25")
        #expect(head.fields.string(of: .authorization) == nil)
        #expect(head.fields.contentType == .json)
        #expect(head.fields.accepts(.eventStream))
        #expect(head.fields.strings(named: "mcp-param-region") == ["eu"])
        var names: [String] = []
        head.fields.forEach { name, value in names.append("\(String(decoding: name, as: UTF8.self))=\(value.count)") }
        #expect(
            names.joined(separator: " ") == """
                HOST=9 X-Api-Key=4 MCP-Protocol-Version=10 Accept=41 Content-Type=31 Mcp-Param-Region=2 X-Empty=0 \
                Content-Length=1 Expect=12
                """)
    }

    @Test("Every known field is recognised by its name in any case, has a slot, and refuses a copy unless it may repeat")
    func knownFields() throws {
        for field in HTTP1KnownField.allCases {
            let value =
                switch field {
                case .contentLength: "0"
                case .transferEncoding: "chunked"
                case .expect: "100-continue"
                default: "v"
                }
            let line = "\(field.name): \(value)\r\n"
            let start = "GET / HTTP/1.1\r\n" + (field == .host ? "" : "Host: a\r\n")
            let head = try #require(Self.head(start + line.uppercased().replacing(": \(value.uppercased())", with: ": \(value)") + "\r\n"))
            #expect(head.fields.string(of: field) == value)
            let repeated = HTTP1Transcript.requests([Array((start + line + line + "\r\n").utf8)])
            #expect(
                repeated.lines.contains { $0.hasPrefix("repeatedField") } == !(field.mayRepeat || field.mirrorsBody), "\(field)")
            #expect(!head.fields.contradictsBody)
            guard !repeated.lines.contains(where: { $0.hasPrefix("repeatedField") }) else { continue }
            #expect(
                try #require(Self.head(start + line + line.uppercased() + "\r\n")).fields.contradictsBody == field.mirrorsBody, "\(field)")
        }
    }

    @Test("Nothing but the exact names is taken for a known field")
    func unknownFields() throws {
        for name in ["X-API-Kex", "X_API_Key", "X-API-Key1", "Content-Lengt", "Xcontent-Length", "Hos", "Hosts", "Content_Length"] {
            let head = try #require(Self.head("GET / HTTP/1.1\r\nHost: a\r\n\(name): 7\r\n\r\n"))
            #expect(head.framing == .none)
            #expect(HTTP1KnownField.allCases.filter { head.fields.contains($0) } == [.host])
        }
    }

    @Test("A body that arrived with its head is not copied")
    func bodyIsASlice() throws {
        var parser = HTTP1RequestParser()
        let input = ByteBuffer(string: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        parser.append(input)
        guard case .head = parser.next(), case .whole(let body) = parser.next() else { throw HTTP1UnexpectedStep() }
        let inside = input.withUnsafeReadableBytes { input in
            body.withUnsafeReadableBytes { body in input.baseAddress.map { $0 + input.count - 5 } == body.baseAddress }
        }
        #expect(inside)
    }

    /// The first head of some input.
    static func head(_ input: String) -> HTTP1RequestHead? {
        var parser = HTTP1RequestParser()
        parser.append(ByteBuffer(string: input))
        if case .head(let head) = parser.next() { return head }
        return nil
    }
}
