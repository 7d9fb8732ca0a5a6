// Answers given as HTTPTypes parts, on the wire.

import HTTPWire
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Testing

@Suite("HTTP/1 and HTTPTypes")
struct HTTP1ResponseEncoderTests {
    /// Encodes an answer to a request with that request line and these field lines.
    private static func encoded(
        _ line: String, fields lines: String = "", _ response: HTTPResponse, _ body: [String], trailers: HTTPFields? = nil
    ) throws -> (text: String, closes: Bool) {
        let head = try #require(HTTP1RequestParserTests.head("\(line)\r\nHost: a\r\n\(lines)\r\n"))
        var encoder = HTTP1ResponseEncoder(answering: head)
        var buffer = ByteBuffer()
        encoder.encode(.head(response), into: &buffer)
        for part in body { encoder.encode(.body(ByteBuffer(string: part)), into: &buffer) }
        encoder.encode(.end(trailers), into: &buffer)
        #expect(encoder.isFinished)
        return (String(buffer: buffer), encoder.closesAfterwards)
    }

    private static func response(_ status: HTTPResponse.Status, _ fields: HTTPFields = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headerFields: fields)
    }

    @Test("An answer without a length is chunked for HTTP/1.1")
    func chunked() throws {
        let answer = try Self.encoded("GET / HTTP/1.1", Self.response(.ok, [.server: "s"]), ["ab", "", "c"])
        #expect(answer.text == "HTTP/1.1 200 OK\r\nServer: s\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        #expect(!answer.closes)
    }

    @Test("Trailers follow the last chunk")
    func trailers() throws {
        let answer = try Self.encoded("GET / HTTP/1.1", Self.response(.ok), [], trailers: [.server: "t"])
        #expect(answer.text == "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nServer: t\r\n\r\n")
    }

    @Test("An answer without a length ends with the connection for HTTP/1.0")
    func untilClose() throws {
        let answer = try Self.encoded("GET / HTTP/1.0", fields: "Connection: keep-alive\r\n", Self.response(.ok), ["ab"])
        #expect(answer.text == "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab")
        #expect(answer.closes)
    }

    @Test("A length is kept, and told once")
    func length() throws {
        let fields: HTTPFields = [.contentLength: "2", .transferEncoding: "chunked", .connection: "keep-alive"]
        let answer = try Self.encoded("GET / HTTP/1.1", Self.response(.ok, fields), ["ab"])
        #expect(answer.text == "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab")
        let old = try Self.encoded("GET / HTTP/1.0", fields: "Connection: keep-alive\r\n", Self.response(.ok, fields), ["ab"])
        #expect(old.text == "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nab")
    }

    @Test("X36 a body never exceeds its length, and closes when it stays short")
    func brokenPromise() throws {
        let long = try Self.encoded("GET / HTTP/1.1", Self.response(.ok, [.contentLength: "2"]), ["a", "bcd"])
        #expect(long.text.hasSuffix("\r\n\r\nab"))
        #expect(!long.closes)
        let short = try Self.encoded("GET / HTTP/1.1", Self.response(.ok, [.contentLength: "2"]), ["a"])
        #expect(short.closes)
    }

    @Test("Answers to HEAD, 204 and 304 have no body")
    func bodiless() throws {
        let head = try Self.encoded("HEAD / HTTP/1.1", Self.response(.ok, [.contentLength: "2"]), ["ab"])
        #expect(head.text == "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        let empty = try Self.encoded("GET / HTTP/1.1", Self.response(.noContent, [.contentLength: "2"]), ["ab"])
        #expect(empty.text == "HTTP/1.1 204 No Content\r\n\r\n")
        let unmodified = try Self.encoded("GET / HTTP/1.1", Self.response(.notModified), ["ab"])
        #expect(unmodified.text == "HTTP/1.1 304 Not Modified\r\n\r\n")
    }

    @Test("Either side may end the connection")
    func closing() throws {
        let client = try Self.encoded("GET / HTTP/1.1", fields: "Connection: close\r\n", Self.response(.noContent), [])
        #expect(client.text == "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        #expect(client.closes)
        let server = try Self.encoded("GET / HTTP/1.1", Self.response(.noContent, [.connection: "Close"]), [])
        #expect(server.text == client.text)
        #expect(server.closes)
    }

    @Test("A request becomes an HTTPRequest with its authority and all fields")
    func request() throws {
        let input = "PUT /a?b=c HTTP/1.1\r\nHost: gate:1\r\nX-A: 1\r\nx-a: 2\r\nCookie: k=v; l=w\r\nContent-Length: 0\r\n\r\n"
        let request = try #require(HTTP1RequestParserTests.head(input)).httpRequest
        #expect(request.method == .put)
        #expect(request.scheme == "http")
        #expect(request.authority == "gate:1")
        #expect(request.path == "/a?b=c")
        #expect(
            request.headerFields.map { "\($0.name.rawName)=\($0.value)" } == [
                "X-A=1", "x-a=2", "Cookie=k=v", "Cookie=l=w", "Content-Length=0",
            ])
    }
}
