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

    private var strangersSecond = -1
    private var strangers = 0

    private static let run = 16_384
    /// Lines of an event loop.
    private static let strangersASecond = 10

    init(_ sink: CallLogSink) {
        self.sink = sink
    }

    var isOn: Bool { sink.isOn }

    /// Whether a line may be written of somebody who has shown no key that there is: so many a second, and the rest are left out.
    func admitsStranger(now: Int) -> Bool {
        if now / 1000 != strangersSecond { (strangersSecond, strangers) = (now / 1000, 0) }
        strangers += 1
        return strangers <= Self.strangersASecond
    }

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

    private func safe(_ text: String) { LogText.append(text, to: &buffer) }

    func flush() {
        guard buffer.readableBytes > 0 else { return }
        sink.write(buffer)
        buffer.clear()
    }
}
