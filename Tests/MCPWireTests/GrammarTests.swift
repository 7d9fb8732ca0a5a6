// RFC 8259 to the letter: every reader of this module stands on one scanner, so it is checked once, here.

import MCPWire
import Testing

@Suite("JSON grammar (RFC 8259)")
struct GrammarTests {
    private func accepts(_ bytes: [UInt8], depthCap: Int = 64) -> Bool {
        bytes.withUnsafeBytes { memory in
            var scanner = JSONScanner(memory, depthCap: depthCap)
            do {
                try scanner.skipValue()
                try scanner.finish()
                return true
            } catch {
                return false
            }
        }
    }

    @Test(
        "well-formed values are accepted",
        arguments: [
            "null", "true", "false", "0", "-0", "10", "-1.5", "1e9", "1E+9", "1.25e-3", "\"\"", "[]", "{}", "[ ]",
            "{ }",
            " \t\r\n[ 1 , 2 ] \n", "{\"a\" : {\"b\":[null,true]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
            "\"é 漢 😀\"",
            "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\u{7F}\"", "\"long enough to use whole words of eight bytes\"",
        ])
    func accepted(_ text: String) {
        #expect(accepts(Array(text.utf8)))
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", " ", "nul", "nullx", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity",
            "-Infinity",
            "'a'", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"a\u{0}b\"",
            "\"12345678\u{1F}\"",
            "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
            "{\"a\":1,}",
            "{,}", "{a:1}", "{\"a\" 1}", "{1:1}", "{\"a\":1]", "[1}", "1 2", "{}{}", "{} x", "// c\n1", "\u{FEFF}{}",
            "\u{0}", "1\u{0}", "\u{A0}1", "\u{0B}1",
        ])
    func refused(_ text: String) {
        #expect(!accepts(Array(text.utf8)))
    }

    @Test(
        "text that is not valid UTF-8 is refused, wherever it stands in a string",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98], [0xFE],
            [0xFF],
        ] as [[UInt8]])
    func invalidText(_ sequence: [UInt8]) {
        for padding in 0..<9 {
            let before = Array(repeating: UInt8(ascii: "a"), count: padding)
            #expect(!accepts([0x22] + before + sequence + [0x22]))
            #expect(!accepts([0x22] + before + sequence + before + [0x22]))
            #expect(!accepts([0x22] + before + sequence))
        }
    }

    @Test("the first and last scalar of each length are accepted")
    func validText() {
        for scalar in ["\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}"] {
            #expect(accepts(Array("\"\(scalar)\"".utf8)))
        }
    }

    @Test("a stop byte is noticed at every offset of a word")
    func everyOffset() {
        for offset in 0..<32 {
            let before = Array(repeating: UInt8(ascii: "x"), count: offset)
            #expect(!accepts([0x22] + before + [0x01] + before + [0x22]))
            #expect(!accepts([0x22] + before + [0x22] + before + [0x22]))
            #expect(accepts([0x22] + before + [0x5C, 0x22] + before + [0x22]))
        }
    }

    @Test("nesting is accepted up to the cap and refused above it, without a deep stack (X34)")
    func depth() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "0" + String(repeating: close, count: depth)).utf8)
        }
        #expect(accepts(nested(64, "[", "]")))
        #expect(!accepts(nested(65, "[", "]")))
        #expect(accepts(nested(64, "{\"a\":", "}")))
        #expect(!accepts(nested(65, "{\"a\":", "}")))
        #expect(!accepts(Array(repeating: UInt8(ascii: "["), count: 1_000_000)))
        #expect(accepts(Array("[\(String(repeating: "[],", count: 1000))[]]".utf8), depthCap: 2))
    }

    @Test("memory without an address is refused like any empty text")
    func nowhere() {
        #expect(throws: EnvelopeFault.parseError) { try Envelope.scan(UnsafeRawBufferPointer(start: nil, count: 0)) }
        #expect(Reply.scan(UnsafeRawBufferPointer(start: nil, count: 0)) == nil)
    }
}
