// Lines of a stdio server come out whole, whatever the pipe did to them.

import MCPWire
import Testing

@Suite("LineFramer")
struct LineFramerTests {
    /// The lines of the chunks; an overflow is shown as an exclamation mark.
    static func lines(_ chunks: [[UInt8]], cap: Int = 1000) -> [String] {
        var framer = LineFramer(cap: cap)
        var (lines, line): ([String], [UInt8]) = ([], [])
        let note: (LineFramer.Event) -> Void = { event in
            switch event {
            case .line(let line): lines.append(String(decoding: line, as: UTF8.self))
            case .part(let part): line += part
            case .end:
                if line.last == 0x0D { line.removeLast() }
                if !line.isEmpty { lines.append(String(decoding: line, as: UTF8.self)) }
                line = []
            case .overflow:
                line = []
                lines.append("!")
            }
        }
        for chunk in chunks { chunk.withUnsafeBytes { framer.feed($0, note) } }
        framer.finish(note)
        return lines
    }

    static func lines(_ text: String, cap: Int = 1000) -> [String] { lines([Array(text.utf8)], cap: cap) }

    @Test("lines end with a line feed, with or without a carriage return; blank ones are left out")
    func lines() {
        #expect(Self.lines("a\nb\r\n\n\r\nc d\n") == ["a", "b", "c d"])
        #expect(Self.lines("a\rb\n") == ["a\rb"])
        #expect(Self.lines("a\nrest") == ["a", "rest"])
        #expect(Self.lines("") == [])
    }

    @Test("a line above the cap is lost once, and the next one is whole")
    func overflow() {
        #expect(Self.lines("12345\n123456\n1\n", cap: 5) == ["12345", "!", "1"])
        #expect(Self.lines("1234567890123\nab\n123456", cap: 5) == ["!", "ab", "!"])
    }

    @Test("of an endless line no more than the cap is handed on (X34)")
    func bounded() {
        var framer = LineFramer(cap: 4096)
        var overflows = 0
        let chunk = Array(repeating: UInt8(ascii: "x"), count: 1000)
        for _ in 0..<1000 {
            chunk.withUnsafeBytes { framer.feed($0) { if case .overflow = $0 { overflows += 1 } } }
            #expect(framer.partialBytes <= 4096)
        }
        #expect(overflows == 1)
    }

    @Test("a stream cut anywhere gives the same lines")
    func splits() {
        let text = Array("{\"a\":\"é\"}\r\n\n12345678901\nb\r\n😀\nlast".utf8)
        let whole = Self.lines([text], cap: 10)
        for first in 0...text.count {
            for second in first...text.count {
                let chunks = [text[..<first], text[first..<second], text[second...]].map(Array.init)
                #expect(Self.lines(chunks, cap: 10) == whole)
            }
        }
    }
}
