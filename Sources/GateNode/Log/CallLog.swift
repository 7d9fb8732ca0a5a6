// One line a call, written without making the call wait for it.

import GateDomain
import GateSettings
import HTTPWire
import NIOCore

/// Lines of one event loop, gathered and handed to the sink in runs (F-LOG-03, F-LOG-04). Never holds a secret or an argument.
final class CallLog {
    private let sink: CallLogSink
    private var buffer = ByteBuffer()
    private var second = -1
    private var stamp: [UInt8] = []

    private static let run = 16_384

    init(_ sink: CallLogSink) {
        self.sink = sink
    }

    var isOn: Bool { sink.isOn }

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - status: `ok`, `failed`, `denied:<reason>`, …
    func line(now: Int, tool: String, key: String, status: String, credits: Int, microseconds: Int, requestID: String) {
        guard isOn else { return }
        if now / 1000 != second {
            second = now / 1000
            stamp = Array(Timestamp.text(milliseconds: second * 1000).utf8.dropLast(5))
        }
        switch sink.format {
        case .text: text(now, tool, key, status, credits, microseconds, requestID)
        case .json: json(now, tool, key, status, credits, microseconds, requestID)
        }
        if buffer.readableBytes > Self.run { flush() }
    }

    private func text(_ now: Int, _ tool: String, _ key: String, _ status: String, _ credits: Int, _ microseconds: Int, _ requestID: String)
    {
        time(now)
        buffer.writeStaticString(" info call tool=")
        safe(tool)
        buffer.writeStaticString(" key=")
        safe(key)
        buffer.writeStaticString(" status=")
        safe(status)
        buffer.writeStaticString(" credits=")
        HTTP1Writer.appendInteger(credits, into: &buffer)
        buffer.writeStaticString(" us=")
        HTTP1Writer.appendInteger(microseconds, into: &buffer)
        buffer.writeStaticString(" request=")
        safe(requestID)
        buffer.writeStaticString("\n")
    }

    private func json(_ now: Int, _ tool: String, _ key: String, _ status: String, _ credits: Int, _ microseconds: Int, _ requestID: String)
    {
        buffer.writeStaticString("{\"time\":\"")
        time(now)
        buffer.writeStaticString("\",\"level\":\"info\",\"event\":\"call\",\"tool\":\"")
        safe(tool)
        buffer.writeStaticString("\",\"key\":\"")
        safe(key)
        buffer.writeStaticString("\",\"status\":\"")
        safe(status)
        buffer.writeStaticString("\",\"credits\":")
        HTTP1Writer.appendInteger(credits, into: &buffer)
        buffer.writeStaticString(",\"us\":")
        HTTP1Writer.appendInteger(microseconds, into: &buffer)
        buffer.writeStaticString(",\"request\":\"")
        safe(requestID)
        buffer.writeStaticString("\"}\n")
    }

    private func time(_ now: Int) {
        buffer.writeBytes(stamp)
        buffer.writeStaticString(".")
        let rest = now % 1000
        for digit in [rest / 100, rest / 10 % 10, rest % 10] { buffer.writeInteger(UInt8(ascii: "0") + UInt8(digit)) }
        buffer.writeStaticString("Z")
    }

    /// Control characters, quotes and backslashes become `_`, so a line stays one line and JSON stays JSON.
    private func safe(_ text: String) {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 != 0x7f }
        if isPlain {
            buffer.writeString(text)
        } else {
            buffer.writeBytes(
                text.utf8.map { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") ? UInt8(ascii: "_") : $0 })
        }
    }

    func flush() {
        guard buffer.readableBytes > 0 else { return }
        sink.write(buffer)
        buffer.clear()
    }
}
