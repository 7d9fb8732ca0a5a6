// Splicing changes what it is told to change and not one byte beside it.

import MCPWire
import Testing

@Suite("Splice")
struct SpliceTests {
    private func splice(_ source: String, _ edits: [Splice.Edit], lines: Splice.Lines = .kept) -> String {
        Array(source.utf8).withUnsafeBytes {
            String(decoding: Splice.apply(edits, to: $0, lines: lines), as: UTF8.self)
        }
    }

    @Test("each range is replaced and everything else stays")
    func replaced() {
        #expect(splice("hello", []) == "hello")
        #expect(splice("hello", [.init(0..<1, .bytes(Array("J".utf8)))]) == "Jello")
        #expect(
            splice("abcdef", [.init(1..<2, .decimal(0)), .init(2..<4, .bytes([])), .init(6..<6, .decimal(.max))])
                == "a0ef18446744073709551615")
    }

    @Test("an id and a progress token are rewritten in whatever order they stand")
    func two() throws {
        for text in [
            #"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"_meta":{"progressToken":"p"}}}"#,
            #"{"params":{"_meta":{"progressToken":"p"}},"jsonrpc":"2.0","method":"tools/call","id":"x"}"#,
        ] {
            let scan = try scanEnvelope(text)
            let id = try #require(scan.message.id)
            let token = try #require(scan.message.progressToken)
            var output: [UInt8] = []
            scan.bytes.withUnsafeBytes {
                Splice.emit(.init(id, .decimal(12)), .init(token, .decimal(34)), to: $0) {
                    output.append(contentsOf: $0)
                }
            }
            let expected = text.replacing(#""x""#, with: "12").replacing(#""p""#, with: "34")
            #expect(String(decoding: output, as: UTF8.self) == expected)
            var alone: [UInt8] = []
            scan.bytes.withUnsafeBytes {
                Splice.emit(.init(id, .decimal(12)), nil, to: $0) { alone.append(contentsOf: $0) }
            }
            #expect(String(decoding: alone, as: UTF8.self) == text.replacing(#""x""#, with: "12"))
        }
    }

    @Test("joined lines hold no line break, so that one message stays one line")
    func joined() {
        #expect(
            splice("{\r\n\"a\":\n\n1\r}\n", [.init(8..<9, .decimal(5))], lines: .joined).contains { $0.isNewline }
                == false)
        #expect(splice("\n{\r\n \"a\": \"\\n\"\n}", [], lines: .joined) == " {   \"a\": \"\\n\" }")
    }
}
