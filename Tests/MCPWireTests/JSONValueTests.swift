// Parsed values keep what was sent, in its order, and are written so that they read back the same.

import MCPWire
import Testing

@Suite("JSONValue")
struct JSONValueTests {
    private func fault(_ text: String, rules: JSONValue.MemberRules = .strict) -> JSONFault.Reason? {
        do throws(JSONFault) {
            _ = try JSONValue.parse(text, rules: rules)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test("every kind of value is read")
    func kinds() throws {
        let value = try JSONValue.parse(
            #" {"n":null,"t":true,"i":-5,"d":1.5,"s":"a\u00e9\ud83d\ude00","a":[1,"x"],"o":{}} "#)
        #expect(value == ["n": nil, "t": true, "i": -5, "d": 1.5, "s": "aé😀", "a": [1, "x"], "o": [:]])
        #expect(value["a"]?[1]?.stringValue == "x")
        #expect(value["a"]?[2] == nil)
        #expect(value["t"]?.intValue == nil)
        #expect(value["i"]?.boolValue == nil)
        #expect(value["i"]?.numberValue == -5)
        #expect(value["n"]?.isNull == true)
        #expect(value.objectValue?.names == ["n", "t", "i", "d", "s", "a", "o"])
    }

    @Test(
        "integers are exact where they fit, doubles otherwise, never infinite (X35)",
        arguments: [
            ("9223372036854775807", JSONValue.int(.max)), ("-9223372036854775808", .int(.min)),
            ("9007199254740993", .int(9_007_199_254_740_993)),
            ("9223372036854775808", .double(9.223372036854775807e18)), ("1.0", .double(1)), ("1e2", .double(100)),
            ("-0", .int(0)),
            ("1e-400", .double(0)),
        ])
    func numbers(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONValue.parse(text) == value)
    }

    @Test("numbers beyond a double are refused", arguments: ["1e400", "-1e400", "[1e999]"])
    func infinite(_ text: String) {
        #expect(fault(text) == .magnitude)
    }

    @Test("strict rules refuse names that are there twice or pollute prototypes (F-SEC-02)")
    func strict() {
        #expect(fault(#"{"a":1,"a":2}"#) == .duplicateMember)
        #expect(fault(#"{"x":[{"a":1,"\u0061":2}]}"#) == .duplicateMember)
        for name in ["__proto__", "constructor", "prototype", #"\u005f_proto__"#] {
            #expect(fault(#"{"x":{"\#(name)":1}}"#) == .forbiddenMember)
        }
        #expect(fault(#"{"a":"__proto__","b":{"a":1}}"#) == nil)
    }

    @Test("lenient rules let the last of one name win, in its first place")
    func lenient() throws {
        #expect(try JSONValue.parse(#"{"a":1,"b":2,"a":3}"#).text == #"{"a":3,"b":2}"#)
        #expect(fault(#"{"__proto__":1}"#, rules: .lenient) == nil)
    }

    @Test("an object of a hundred thousand members is read in linear time (X34)", .timeLimit(.minutes(1)))
    func wide() throws {
        let text = "{" + (0..<100_000).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}"
        let value = try JSONValue.parse(text, rules: .strict)
        #expect(value.objectValue?.count == 100_000)
        #expect(fault(text.dropLast() + ",\"k99999\":0}") == .duplicateMember)
    }

    @Test("nesting is capped")
    func depth() {
        #expect(fault(String(repeating: "[", count: 64) + String(repeating: "]", count: 64)) == nil)
        #expect(fault(String(repeating: "[", count: 65) + String(repeating: "]", count: 65)) == .depth)
    }

    @Test("a fault says where and what")
    func sentence() {
        do throws(JSONFault) {
            _ = try JSONValue.parse(#"{"a":}"#)
            Issue.record("broken JSON was parsed")
        } catch {
            #expect(error.offset == 5)
            #expect(error.sentence == "invalid JSON at byte 5")
        }
    }

    @Test("a character is escaped wherever it stands in a text, and its neighbours are not")
    func escapedAnywhere() {
        for character in ["\"", "\\", "\n", "\u{1f}", "\u{0}", " ", "!", "#", "[", "]", "\u{7f}", "é", "\u{2028}"] {
            let escaped = ["\"": #"\""#, "\\": #"\\"#, "\n": #"\n"#, "\u{1f}": #"\u001f"#, "\u{0}": #"\u0000"#][character] ?? character
            for before in 0...17 {
                for after in 0...17 {
                    let (left, right) = (String(repeating: "a", count: before), String(repeating: "z", count: after))
                    let expected = "\"\(left)\(escaped)\(escaped)\(right)\""
                    #expect(String(decoding: JSONText.quoted(left + character + character + right), as: UTF8.self) == expected)
                }
            }
        }
    }

    @Test("writing escapes what has to be escaped and nothing else")
    func writing() {
        let value: JSONValue = [
            "a\"\\": "\u{0}\u{1F}\n\r\t\u{8}\u{C}/é😀\u{2028}\u{7F}", "n": [.double(.infinity), .double(.nan), -1, 0.5],
        ]
        #expect(
            value.text == #"{"a\"\\":"\u0000\u001f\n\r\t\b\f/é😀"# + "\u{2028}\u{7F}" + #"","n":[null,null,-1,0.5]}"#)
        #expect(JSONValue.int(.min).text == "-9223372036854775808")
    }

    @Test("objects keep their order when they are changed")
    func changing() {
        var value: JSONValue = ["a": 1, "b": 2, "c": 3]
        value["b"] = "x"
        value["a"] = nil
        value["d"] = [:]
        #expect(value.text == #"{"b":"x","c":3,"d":{}}"#)
        var number: JSONValue = 1
        number["a"] = 1
        #expect(number == 1)
    }

    @Test("a path leads through objects to what is there, and null is as good as nothing")
    func paths() throws {
        let value = try JSONValue.parse(#"{"a":{"b":{"c":1},"n":null},"s":"x"}"#)
        #expect(value[path: "a.b.c"] == 1)
        #expect(value[path: "s"]?.stringValue == "x")
        for path in ["a.n", "a.n.x", "a.x", "s.x", "x"] { #expect(value[path: path]?.text == nil) }
        #expect(JSONValue(7, at: "a.b").text == #"{"a":{"b":7}}"#)
    }

    @Test(
        "objects laid over one another merge by member, anything else is replaced",
        arguments: [
            (#"{"a":1,"b":{"c":1,"d":2}}"#, #"{"b":{"d":3,"e":4},"f":5}"#, #"{"a":1,"b":{"c":1,"d":3,"e":4},"f":5}"#),
            (#"{"a":[1,2]}"#, #"{"a":[3]}"#, #"{"a":[3]}"#), (#"{"a":{"b":1}}"#, #"{"a":2}"#, #"{"a":2}"#),
            (#"{"a":1}"#, #"{"a":null}"#, #"{"a":null}"#),
            ("1", "{}", "{}"), ("{}", "1", "1"),
        ])
    func layers(_ weaker: String, _ stronger: String, _ both: String) throws {
        #expect(try JSONValue.parse(weaker).overlaid(by: JSONValue.parse(stronger)).text == both)
    }

    @Test("what is written for people reads back the same")
    func indented() throws {
        let value = try JSONValue.parse(#"{"a":[1,{"b":[]}],"c":{},"d":"x\ny"}"#)
        #expect(try JSONValue.parse(value.indentedText) == value)
        #expect(try JSONValue.parse(#"{"a":[1,{}]}"#).indentedText == "{\n  \"a\": [\n    1,\n    {}\n  ]\n}\n")
    }

    @Test("a fault in a file is told by line and column")
    func lines() {
        func place(_ text: String) -> String? {
            do throws(JSONFault) {
                _ = try JSONValue.parse(text)
                return nil
            } catch {
                return error.sentence(in: Array(text.utf8))
            }
        }
        #expect(place("{\n  \"a\": 1,\n  \"b\" 2\n}") == "invalid JSON in line 3, column 7")
        #expect(place("") == "invalid JSON in line 1, column 1")
        #expect(place("[1,\n") == "invalid JSON in line 2, column 1")
    }

    @Test("a single token is decoded alone")
    func tokens() {
        func decoded(_ token: String) -> String? { Array(token.utf8).withUnsafeBytes { JSONText.string($0) } }
        #expect(decoded(#""a\n\u00e9\/""#) == "a\né/")
        #expect(decoded(#""\ud83d\ude00""#) == "😀")
        #expect(decoded(#""\ud83d""#) == nil)
        #expect(decoded(#""\ude00\ud83d""#) == nil)
        #expect(decoded(#""\ud83dx""#) == nil)
        #expect(decoded("12") == nil)
        #expect(decoded("\"") == nil)
    }
}
