// Tables that admins send: what is written is read back, and nothing else is guessed at.

import GateTesting
@testable import GateValues
import Testing

@Suite("Comma-separated values")
struct CSVReadingTests {
    @Test("what is written is read back, whatever stands in it")
    func roundTrip() throws {
        let rows = [
            ["plain", "a,b", "say \"so\""], ["", "line\r\nbreak", "=1+1"], ["'quoted", "-5", "@x"], ["é\u{301}", "+", " blank "],
        ]
        var bytes = CSVText.head(["one", "two", "three"])
        for row in rows { CSVText.append(row, to: &bytes) }
        let read = try CSVText.rows(in: bytes, upTo: 10)
        #expect(read.map { [$0["one"] ?? "?", $0["two"] ?? "?", $0["three"] ?? "?"] } == rows)
        #expect(
            try CSVText.rows(in: [0xef, 0xbb, 0xbf] + Array("a,b\n1,2\n\n3,".utf8), upTo: 10) == [
                ["a": "1", "b": "2"], ["a": "3", "b": ""],
            ])
    }

    @Test(
        "what is no table is refused with its line",
        arguments: [
            ("", "The table is empty."), ("a,a\n", "The first line must name each column once."),
            ("\n", "The first line must name each column once."),
            ("a,\u{fc}\n", "The first line must name columns in at most 100 ASCII characters each."),
            (String(repeating: "a", count: 101) + "\n", "The first line must name columns in at most 100 ASCII characters each."),
            ("a,b\n1\n", "Line 2 has 1 values and not 2."), ("a\n\"x\n", "Line 2 begins a value in quotes that never ends."),
            ("a\nx\"y\n", "Line 2 has a quote inside of a value."), ("a\n\"x\"y\n", "Line 2 has something behind a value in quotes."),
            ("a\n1\n2\n3\n", "The table has more than 2 lines."), ("a,b,c,d\n", "Line 1 has more than 3 values."),
        ])
    func refused(_ text: String, _ sentence: String) {
        #expect(throws: CSVText.Fault(sentence: sentence)) { try CSVText.rows(in: Array(text.utf8), upTo: 2, columns: 3) }
    }

    @Test("no bytes make it crash, or take long")
    func hostile() {
        var chance = Chance(seed: 7)
        let pieces: [[UInt8]] = [
            [0x22], [0x22, 0x22], [0x2c], [0x0a], [0x0d, 0x0a], [0x0d], [0xff], Array("ab".utf8), [0x27, 0x3d], [0],
        ]
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &chance)).flatMap { _ in chance.pick(pieces) }
            _ = try? CSVText.rows(in: bytes, upTo: 5, columns: 4)
        }
        _ = try? CSVText.rows(in: [UInt8](repeating: 0x22, count: 1 << 20), upTo: 5)
        _ = try? CSVText.rows(in: [UInt8](repeating: 0x2c, count: 1 << 20), upTo: 5)
    }
}
