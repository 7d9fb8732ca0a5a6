import GateNode
@testable import GateSettings
import Testing

/// Command lines given as one text.
@Suite struct ShellWordsTests {
    @Test(
        "A command line is split as a shell splits it",
        arguments: [
            ("node server.js", ["node", "server.js"]),
            ("  a\t b \n", ["a", "b"]),
            (#"a 'b c' "d e" f\ g"#, ["a", "b c", "d e", "f g"]),
            (#"a '' "" b"#, ["a", "", "", "b"]),
            (#"--x="a b" 'it'\''s'"#, ["--x=a b", "it's"]),
            (#""a\"b\\c\d" 'a\b'"#, [#"a"b\c\d"#, #"a\b"#]),
            ("a | b && $c *", ["a", "|", "b", "&&", "$c", "*"]),
            ("", []),
        ])
    func split(_ line: String, _ words: [String]) {
        #expect(ShellWords.split(line) == words)
    }

    @Test("An open quote is refused", arguments: ["a 'b", #"a "b"#, #""\""#])
    func openQuote(_ line: String) {
        #expect(ShellWords.split(line) == nil)
    }

    @Test(
        "Joined words are split into the same words",
        arguments: [
            ["node", "my server.js"], ["", "'", "\"", "\\", "a'b\"c\\d"], ["{\"a\":\"b c\"}", "$x", "ü ö"],
        ])
    func roundTrip(_ words: [String]) {
        #expect(ShellWords.split(ShellWords.join(words)) == words)
    }
}
