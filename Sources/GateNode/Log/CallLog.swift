// One line a call, written without making the call wait for it.

import GateDomain
import GateSettings
import MCPWire
import NIOCore

/// Lines of one event loop, gathered and handed to the sink in runs (F-LOG-03, F-LOG-04). Never holds a secret or an argument.
final class CallLog {
    private let sink: CallLogSink
    private let words: Words
    private var lines: [UInt8] = []
    private var second = -1
    /// The time of a line, as text.
    private var stamp: [UInt8] = []

    private var strangersSecond = -1
    private var strangers = 0

    private static let run = 16_384
    /// Lines of an event loop.
    private static let strangersASecond = 10

    init(_ sink: CallLogSink) {
        self.sink = sink
        words = Words(sink.format)
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
        setStamp(now)
        lines += words.time.utf8
        lines += stamp
        lines += words.tool.utf8
        LogText.append(tool, to: &lines)
        lines += words.key.utf8
        LogText.append(key, to: &lines)
        lines += words.status.utf8
        LogText.append(status, to: &lines)
        lines += words.credits.utf8
        JSONText.append(credits, to: &lines)
        lines += words.microseconds.utf8
        JSONText.append(microseconds, to: &lines)
        lines += words.request.utf8
        LogText.append(requestID, to: &lines)
        lines += words.end.utf8
        if lines.count > Self.run { flush() }
    }

    /// What stands before each of a line's values, and at its end.
    private struct Words {
        let time, tool, key, status, credits, microseconds, request, end: String

        init(_ format: Settings.LogFormat) {
            switch format {
            case .text:
                (time, tool, key, status) = ("", " info call tool=", " key=", " status=")
                (credits, microseconds, request, end) = (" credits=", " us=", " request=", "\n")
            case .json:
                (time, tool) = (#"{"time":""#, #"","level":"info","event":"call","tool":""#)
                (key, status, credits) = (#"","key":""#, #"","status":""#, #"","credits":"#)
                (microseconds, request, end) = (#","us":"#, #","request":""#, "\"}\n")
            }
        }
    }

    /// The time of the next line; what it has in common with those of the same second is written once.
    private func setStamp(_ now: Int) {
        if now / 1000 != second {
            second = now / 1000
            stamp = Array(Timestamp.text(milliseconds: second * 1000).utf8)
        }
        var (place, rest) = (stamp.count - 2, now % 1000)
        for _ in 0..<3 {
            stamp[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            (place, rest) = (place - 1, rest / 10)
        }
    }

    func flush() {
        guard !lines.isEmpty else { return }
        sink.write(ByteBuffer(bytes: lines))
        lines.removeAll(keepingCapacity: true)
    }
}
