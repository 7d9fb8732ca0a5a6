// The head of an answer on /mcp: what never changes as one run of bytes, the rest appended.

import GateDomain
import HTTPWire
import NIOCore

/// Headers of every answer, rendered once an event loop from the node's rules (F-HDR-01 to F-HDR-18).
struct RenderedHeaders {
    private let fixed: ByteBuffer
    private let rules: ResponseHeaders

    init(_ rules: ResponseHeaders) {
        self.rules = rules
        var buffer = ByteBuffer()
        for (name, value) in rules.fixed { HTTP1Writer.appendSafe(name: name, value, into: &buffer) }
        fixed = buffer
    }

    func write(origin: @autoclosure () -> String?, into buffer: inout ByteBuffer) {
        buffer.writeImmutableBuffer(fixed)
        guard rules.variesByOrigin else { return }
        for (name, value) in rules.cors(for: origin()) { HTTP1Writer.appendSafe(name: name, value, into: &buffer) }
    }
}

enum AnswerHead {
    static func write(status: Int, of exchange: MCPExchange, closes: Bool, into buffer: inout ByteBuffer) {
        HTTP1Writer.beginResponse(status: status, into: &buffer)
        exchange.front.headers.write(origin: exchange.head.fields.string(of: .origin), into: &buffer)
        HTTP1Writer.appendSafe("x-request-id", exchange.requestID, into: &buffer)
        if let session = exchange.session { HTTP1Writer.appendSafe("mcp-session-id", session.id, into: &buffer) }
        write(exchange.readings, into: &buffer)
        if closes { HTTP1Writer.appendField("connection", "close", into: &buffer) }
    }

    private static func write(_ readings: MCPExchange.Readings, into buffer: inout ByteBuffer) {
        if let credits = readings.credits { HTTP1Writer.appendField("x-credits-remaining", credits, into: &buffer) }
        if let rate = readings.rate {
            HTTP1Writer.appendField("x-ratelimit-limit", rate.limit, into: &buffer)
            HTTP1Writer.appendField("x-ratelimit-remaining", rate.remaining, into: &buffer)
            HTTP1Writer.appendField("x-ratelimit-reset", rate.reset, into: &buffer)
        }
        if readings.surcharge > 0 { HTTP1Writer.appendField("x-output-surcharge", readings.surcharge, into: &buffer) }
        if !readings.warnings.isEmpty {
            HTTP1Writer.appendSafe("x-guardrail-warning", readings.warnings.joined(separator: ", "), into: &buffer)
        }
        if let methods = readings.allow { HTTP1Writer.appendField("allow", methods, into: &buffer) }
        if let seconds = readings.retryAfter { HTTP1Writer.appendField("retry-after", seconds, into: &buffer) }
    }

    static let eventStream: StaticString = "text/event-stream"

    /// The whole head of an event stream.
    /// - Parameter closes: whether the connection ends with the stream.
    static func stream(of exchange: MCPExchange, closes: Bool) -> ByteBuffer {
        var buffer = exchange.front.allocator.buffer(capacity: 1024)
        write(status: 200, of: exchange, closes: closes, into: &buffer)
        HTTP1Writer.appendField("content-type", eventStream, into: &buffer)
        HTTP1Writer.appendField("x-accel-buffering", "no", into: &buffer)
        HTTP1Writer.appendField("transfer-encoding", "chunked", into: &buffer)
        HTTP1Writer.endHead(into: &buffer)
        return buffer
    }
}

/// The answer to bytes that are no request; nothing of them is repeated.
enum RefusalPage {
    /// - Parameter retryAfter: seconds.
    static func bytes(status: Int, sentence: String, retryAfter: Int? = nil, headers: RenderedHeaders) -> ByteBuffer {
        let requestID = "req_" + String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
        let body = #"{"error":"\#(sentence)","requestId":"\#(requestID)"}"#
        var buffer = ByteBuffer()
        HTTP1Writer.beginResponse(status: status, into: &buffer)
        headers.write(origin: nil, into: &buffer)
        HTTP1Writer.appendSafe("x-request-id", requestID, into: &buffer)
        if let retryAfter { HTTP1Writer.appendField("retry-after", retryAfter, into: &buffer) }
        HTTP1Writer.appendField("content-type", "application/json", into: &buffer)
        HTTP1Writer.appendField("content-length", body.utf8.count, into: &buffer)
        HTTP1Writer.appendField("connection", "close", into: &buffer)
        HTTP1Writer.endHead(into: &buffer)
        buffer.writeString(body)
        return buffer
    }
}
