// What the answer parser reads and what it refuses.

import HTTPWire
import NIOCore
import Testing

@Suite("HTTP/1 answers")
struct HTTP1ResponseParserTests {
    @Test("Every answer is read or refused as the table says, wherever it is cut", arguments: HTTP1ResponseSample.all)
    func table(sample: HTTP1ResponseSample) {
        let bytes = Array(sample.input.utf8)
        #expect(HTTP1Transcript.response([bytes]).description == sample.expected)
        #expect(HTTP1Transcript.response(bytes.map { [$0] }).description == sample.expected)
        for cut in bytes.indices {
            let transcript = HTTP1Transcript.response([Array(bytes[..<cut]), Array(bytes[cut...])])
            #expect(transcript.description == sample.expected, "cut at \(cut)")
        }
    }

    @Test("A complete answer in one buffer is given at once")
    func whole() throws {
        var parser = Self.expectingParser()
        parser.append(
            ByteBuffer(
                string: """
                    HTTP/1.1 429 Slow\r\ncontent-type: application/json\r\nmcp-session-id: s1\r\nretry-after: 7\r
                    transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n
                    """))
        guard case .whole(let head, let body) = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(head.status == 429)
        #expect(head.contentType == .json)
        #expect(head.mcpSessionID == "s1")
        #expect(head.retryAfter == 7)
        #expect(String(buffer: body) == "{}")
        #expect(parser.isReusable == true)
    }

    @Test("X36 a connection with bytes behind its answer is not used again")
    func surplus() throws {
        var parser = Self.expectingParser()
        parser.append(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n"))
        guard case .whole = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(parser.isReusable == false)
        let began = parser.begin()
        #expect(!began)
    }

    @Test("An answer above the limit is a fault, however its length is told")
    func limit() {
        let limits = HTTP1Limits(body: 4)
        for input in ["Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n", "\r\nhello"] {
            let transcript = HTTP1Transcript.response([Array("HTTP/1.1 200 OK\r\n\(input)".utf8)], limits: limits)
            #expect(transcript.lines.last == "bodyTooLarge")
        }
    }

    @Test("Events of a stream are handed on as they arrive")
    func stream() throws {
        var parser = Self.expectingParser()
        parser.append(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nda"))
        guard case .head = parser.next(), case .part(let first) = parser.next(), case .needMore = parser.next() else {
            throw HTTP1UnexpectedStep()
        }
        parser.append(ByteBuffer(string: "ta:"))
        guard case .part(let second) = parser.next() else { throw HTTP1UnexpectedStep() }
        #expect(String(buffer: first) + String(buffer: second) == "data:")
    }

    /// A parser that expects its first answer.
    private static func expectingParser() -> HTTP1ResponseParser {
        var parser = HTTP1ResponseParser()
        let began = parser.begin()
        #expect(began && !parser.hasBegun)
        return parser
    }
}
