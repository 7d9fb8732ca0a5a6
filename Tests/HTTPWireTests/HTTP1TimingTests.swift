// What reading and writing a typical call costs.

import Foundation
import HTTPWire
import NIOCore
import Testing

/// Says what a typical call costs here; it asserts nothing about time. Set HTTP1_TIMING and build with -c release.
@Suite("HTTP/1 timing", .enabled(if: ProcessInfo.processInfo.environment["HTTP1_TIMING"] != nil), .serialized)
struct HTTP1TimingTests {
    private static let body = #"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search","arguments":{"q":"swift"}}}"#

    /// Prints the best of five series, in CPU time of this thread, so that a busy machine blurs it little.
    private static func report(_ what: String, _ rounds: Int = 1_000_000, _ body: () -> Int) {
        var best = Double.infinity
        var check = 0
        for _ in 0..<5 {
            let start = threadNanoseconds()
            for _ in 0..<rounds { check &+= body() }
            best = min(best, (threadNanoseconds() - start) / Double(rounds))
        }
        print("\(what): \(best.rounded()) ns (\(check))")
    }

    private static func threadNanoseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }

    @Test("Figures")
    func figures() {
        let request = ByteBuffer(
            string: """
                POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:3402\r\nUser-Agent: node\r\nAccept: application/json, text/event-stream\r
                Content-Type: application/json\r\nX-API-Key: pg_0123456789abcdef0123456789abcdef\r\nMcp-Session-Id: 0123456789abcdef\r
                Connection: keep-alive\r\nContent-Length: \(Self.body.utf8.count)\r\n\r\n\(Self.body)
                """)
        var parser = HTTP1RequestParser()
        Self.report("request of \(request.readableBytes) bytes") {
            parser.append(request)
            guard case .head(let head) = parser.next(), case .whole(let body) = parser.next() else { return 0 }
            return body.readableBytes + (head.fields.withValue(of: .xAPIKey) { $0.count } ?? 0)
        }
        let answer = ByteBuffer(
            string: """
                HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: 0123456789abcdef\r\nConnection: keep-alive\r
                Content-Length: \(Self.body.utf8.count)\r\n\r\n\(Self.body)
                """)
        var responses = HTTP1ResponseParser()
        Self.report("answer of \(answer.readableBytes) bytes") {
            guard responses.begin() else { return 0 }
            responses.append(answer)
            guard case .whole(let head, let body) = responses.next() else { return 0 }
            return body.readableBytes + head.status
        }
        var output = ByteBuffer()
        let requestID = "req_0123456789abcdef"
        Self.report("writing an answer with eight fields") {
            output.clear()
            HTTP1Writer.beginResponse(status: 200, into: &output)
            HTTP1Writer.appendField("content-type", "application/json", into: &output)
            HTTP1Writer.appendField("x-content-type-options", "nosniff", into: &output)
            HTTP1Writer.appendField("cache-control", "no-store", into: &output)
            HTTP1Writer.appendSafe("x-request-id", requestID, into: &output)
            HTTP1Writer.appendField("x-ratelimit-limit", 1_000, into: &output)
            HTTP1Writer.appendField("x-ratelimit-remaining", 999, into: &output)
            HTTP1Writer.appendField("x-credits-remaining", 123_456, into: &output)
            HTTP1Writer.appendField("content-length", 100, into: &output)
            HTTP1Writer.endHead(into: &output)
            return output.readableBytes
        }
    }
}
