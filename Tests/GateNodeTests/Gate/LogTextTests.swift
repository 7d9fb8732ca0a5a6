// Words of others in the node's logs.

@testable import GateNode
import Testing

@Suite("Log text")
struct LogTextTests {
    @Test(
        "X36: a field of the call log is visible ASCII, without blanks, quotes or what a terminal obeys",
        arguments: [
            ("echo", "echo"), ("x status=ok", "x%20status=ok"), ("a\"b\\c%", "a%22b%5Cc%25"), ("\u{85}", "%C2%85"),
            ("\u{202E}cba", "%E2%80%AEcba"), ("\u{2028}", "%E2%80%A8"), ("a\nb", "a%0Ab"), ("\u{9b}31m", "%C2%9B31m"),
        ])
    func fields(_ text: String, _ shown: String) {
        var line: [UInt8] = []
        LogText.append(text, to: &line)
        #expect(String(decoding: line, as: UTF8.self) == shown)
    }

    @Test("no text of others makes a field or a line as long as it likes")
    func lengths() {
        var line: [UInt8] = []
        LogText.append(String(repeating: "é", count: 100_000), to: &line)
        #expect(line.count < 800)
        #expect(LogText.sentence(String(repeating: "é", count: 100_000)).utf8.count < 2100)
    }

    @Test("a pair of the node's log stays one pair")
    func values() {
        #expect(LogText.value("plain") == "plain")
        #expect(LogText.value("a level=error") == #""a level=error""#)
        #expect(LogText.value("a\u{2028}b\u{202E}\u{9b}c\"") == #""a b  c\"""#)
        #expect(LogText.value("") == #""""#)
    }
}
