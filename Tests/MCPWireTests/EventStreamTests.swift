// Event streams as the WHATWG rules read them, and as MCP clients expect them.

import MCPWire
import Testing

@Suite("Event stream")
struct EventStreamTests {
    /// The events of the chunks as text: `type=data@lastEventID`, `retry 5`, or an exclamation mark for an overflow.
    static func events(_ chunks: [[UInt8]], cap: Int = 1000) -> [String] {
        var parser = EventStreamParser(cap: cap)
        var (events, data): ([String], [UInt8]) = ([], [])
        for chunk in chunks {
            chunk.withUnsafeBytes {
                parser.feed($0) { event in
                    switch event {
                    case .data(let part): data += part
                    case .message(let type):
                        events.append("\(type)=\(String(decoding: data, as: UTF8.self))")
                        data = []
                    case .retry(let milliseconds): events.append("retry \(milliseconds)")
                    case .overflow:
                        events.append("!")
                        data = []
                    }
                }
            }
        }
        return events + ["@\(parser.lastEventID)"]
    }

    static func events(_ text: String, cap: Int = 1000) -> [String] { events([Array(text.utf8)], cap: cap) }

    @Test(
        "the rules of the WHATWG",
        arguments: [
            ("data: a\n\n", ["message=a", "@"]), ("data:a\n\n", ["message=a", "@"]),
            ("data:  a\n\n", ["message= a", "@"]),
            ("data: a\r\rdata: b\r\n\r\ndata: c\n\n", ["message=a", "message=b", "message=c", "@"]),
            ("data: a\ndata: b\ndata\n\n", ["message=a\nb\n", "@"]),
            ("event: ping\ndata: a\n\ndata: b\n\n", ["ping=a", "message=b", "@"]),
            (": comment\n\n:\ndata: a\n\n", ["message=a", "@"]),
            ("\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", ["message=a", "@"]),
            ("id: 7\ndata: a\n\ndata: b\n\n", ["message=a", "message=b", "@7"]),
            ("id: 7\ndata: a\n\nid\ndata: b\n\n", ["message=a", "message=b", "@"]),
            ("id: 7\ndata:\n\n", ["message=", "@7"]), ("id: 7\n\n", ["@7"]), ("id: 7\n", ["@"]),
            ("id: a\u{0}b\ndata: x\n\n", ["message=x", "@"]),
            ("retry: 500\nretry: 5x\nretry:\nretry: -1\n\n", ["retry 500", "@"]),
            ("event: x\n\ndata: a\n\n", ["message=a", "@"]),
            ("Data: a\n data: a\ndatax: a\nfoo\n\n", ["@"]), ("data: cut off", ["@"]), ("data: cut off\n", ["@"]),
            ("data: {\"a\": \"b: c\"}\n\n", ["message={\"a\": \"b: c\"}", "@"]),
        ])
    func rules(_ text: String, _ expected: [String]) {
        #expect(Self.events(text) == expected)
    }

    @Test("an event above the cap is lost once, and the next one is whole")
    func overflow() {
        #expect(Self.events("data: 123456789\n\ndata: a\n\n", cap: 10) == ["!", "message=a", "@"])
        #expect(Self.events("data: 1\ndata: 2\ndata: 3\ndata: 4\n\ndata: a\n\n", cap: 10) == ["!", "message=a", "@"])
        #expect(Self.events("data: a\n: 1234567890\r\n\r\ndata: b\r\n\r\n", cap: 10) == ["!", "message=b", "@"])
    }

    @Test("a stream cut anywhere gives the same events, also between CR and LF and within a character")
    func splits() {
        let stream =
            "\u{FEFF}: hi\r\nid: é\r\nevent: e\r\ndata: 漢\r\ndata: 😀\r\n\r\nretry: 10\r\rdata: x\n\r\ndata: 0123456789012345678901\r\ndata\r\n\r\ndata: y\n\n"
        let text = Array(stream.utf8)
        let whole = Self.events([text], cap: 24)
        #expect(whole == ["e=漢\n😀", "retry 10", "message=x", "!", "message=y", "@é"])
        for first in 0...text.count {
            for second in first...text.count {
                let chunks = [text[..<first], text[first..<second], text[second...]].map(Array.init)
                #expect(Self.events(chunks, cap: 24) == whole)
            }
        }
        #expect(Self.events(text.map { [$0] }, cap: 24) == whole)
    }

    @Test("what is written is read back")
    func writer() {
        var output: [UInt8] = []
        EventStreamWriter.append(comment: "keepalive", to: &output)
        EventStreamWriter.append(retryMilliseconds: 1500, to: &output)
        EventStreamWriter.appendPriming(id: "s-0", to: &output)
        Array("{\"a\":\r\n1}\n".utf8).withUnsafeBytes {
            EventStreamWriter.append($0, id: "s-1\ndata: forged", to: &output)
        }
        Array("{}".utf8).withUnsafeBytes { EventStreamWriter.append($0, to: &output) }
        #expect(
            Self.events([output]) == [
                "retry 1500", "message=", "message={\"a\":\n1}\n", "message={}", "@s-1data: forged",
            ])
        #expect(
            String(decoding: output, as: UTF8.self).hasPrefix(
                ": keepalive\n\nretry: 1500\n\nid: s-0\ndata:\n\nevent: message\nid: s-1"))
    }
}
