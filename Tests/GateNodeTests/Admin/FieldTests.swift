// Fields by themselves: what they read, what they refuse and what they say.

import GateDomain
@testable import GateNode
import GateTesting
@testable import GateValues
import MCPWire
import Testing

@Suite("Fields")
struct FieldTests {
    private let credits = Field("credits", .credits, "Credits.")

    @Test(
        "X35: an amount is a number in its range, floored, and nothing else",
        arguments: [
            (1, 1), (1.9, 1), (1e9, 1_000_000_000), (1_000_000_000.5, 1_000_000_000), (12, 12),
        ] as [(JSONValue, Int)])
    func amounts(_ json: JSONValue, _ expected: Int) throws {
        #expect(try credits.value(of: json) == expected)
    }

    @Test(
        "X35: refuses",
        arguments: [0, 0.99, -1, 1_000_000_001, 1e300, -1e300, .int(.max), .int(.min), true, false, "5", "", [5], [:]] as [JSONValue])
    func noAmounts(_ json: JSONValue) {
        #expect(throws: HTTPFailure.self) { try credits.value(of: json) }
    }

    @Test(
        "X35: a number that is no amount of credits is whole, and in its range",
        arguments: [0.5, 1.5, -0.5, -1, 1_000_000_001, 1e300, "5", true, [], [:]] as [JSONValue])
    func noNumbers(_ json: JSONValue) throws {
        let field = Field("count", .integer(0...1_000_000_000), "")
        #expect(Self.sentence(of: json, in: field) == "Invalid count. Must be a whole number of 0 to 1000000000.")
        #expect(try field.value(of: .double(2)) == 2 && field.value(of: 0) == 0)
    }

    @Test("says which field is missing, and which rule is broken")
    func sentences() {
        let sentence = { (json: JSONValue?) in Self.sentence(of: json, in: credits) }
        #expect(sentence(nil) == "Missing credits" && sentence(.null) == "Missing credits")
        #expect(sentence(0) == "Invalid credits. Must be a whole number of 1 to 1000000000.")
    }

    private static func sentence(of json: JSONValue?, in field: Field<Int>) -> String {
        do throws(HTTPFailure) {
            _ = try field.value(of: json)
            return ""
        } catch { return error.sentence }
    }

    @Test("may be left out, have a default, or be cleared")
    func modifiers() throws {
        #expect(try credits.optional.value(of: nil) == nil && credits.optional.value(of: 5) == 5)
        #expect(try credits.default(7).value(of: .null) == 7)
        #expect(credits.default(7).schema.json["default"] == 7 && !credits.default(7).isRequired && credits.isRequired)
        guard case .unchanged = try credits.clearable.value(of: nil), case .cleared = try credits.clearable.value(of: .null),
            case .set(5) = try credits.clearable.value(of: 5)
        else { return #expect(Bool(false)) }
        #expect(throws: HTTPFailure.self) { try credits.optional.value(of: 0) }
    }

    @Test(
        "X36: text for people is one line, trimmed and cut",
        arguments: [
            ("  a\tb\r\nc ", "a b  c"), ("\u{0}\u{1b}x", "x"), ("ünïcode 🎈", "ünïcode 🎈"),
            (String(repeating: "x", count: 20), "xxxxxxxxxx"), (" \n ", ""),
        ])
    func texts(_ given: String, _ expected: String) throws {
        #expect(try Field("name", .text(upTo: 10, rest: .cut), "").value(of: .string(given)) == expected)
    }

    @Test("X35: text that is too long is refused unless it is a name or free text")
    func longTexts() throws {
        let label = Field("label", .text(upTo: 3), "")
        #expect(try label.value(of: "üüü") == "üüü" && label.schema.json["maxLength"] == 3)
        #expect(throws: HTTPFailure.self) { try label.value(of: "abcd") }
    }

    @Test(
        "F-KEY-13: names and values of tags have at most 100 characters of Unicode, 50 of them a request; those that are removed count as well"
    )
    func tags() throws {
        let (tags, changes) = (Field("tags", .tags, ""), Field("tags", .tagChanges, ""))
        let most = String(repeating: "\u{e9}", count: 100)
        // A single one as it is drawn.
        let drawn = "a" + String(repeating: "\u{301}", count: 100)
        #expect(try tags.value(of: [most: .string(most)]) == [most: most])
        #expect(try changes.value(of: [most: .null, "a": "b"]) == [most: nil, "a": "b"])
        for wrong: JSONValue in [
            [drawn: "x"], ["x": .string(drawn)], [most + "x": "x"], [most + "x": .null], [drawn: .null], ["": .null], ["\n": .null],
        ] {
            #expect(throws: HTTPFailure.self) { try tags.value(of: wrong) }
            #expect(throws: HTTPFailure.self) { try changes.value(of: wrong) }
        }
        for value: JSONValue in ["x", .null] {
            let many = JSONValue.object(JSONObject((0...50).map { ("\($0)", value) }))
            #expect(throws: HTTPFailure.self) { try changes.value(of: many) }
        }
    }

    @Test("what no field takes is refused before it is compared with anything", .timeLimit(.minutes(1)))
    func costly() {
        let text = HostileClient.unicodeBomb(bytes: 400_000)
        let object = JSONValue.object(JSONObject([(text, .null), (text + "x", 1)]))
        let fields: [any DeclaredField] = [
            Field("f", .tags, ""), Field("f", .tagChanges, ""), Field("f", .flag, ""), Field("f", .time, ""), Field("f", .quota, ""),
            Field("f", ValueKind<AdminRole>.choice, ""), Field("f", ValueKind<[String: Bool]>.map(of: .flag), ""),
            Field("f", .keyReference, ""),
            Field("f", .autoTopUp, ""), Field("f", .toolNames, ""), Field("f", .addresses, ""), Field("f", .alias, ""),
        ]
        for field in fields {
            for value in [.string(text), field.given(text), [.string(text)], object] {
                #expect(throws: HTTPFailure.self, "\(field.schema.json.text)") { try field.check(value) }
            }
        }
    }

    @Test(
        "F-NS-01: a namespace is lower case; what is none is the default one",
        arguments: [
            ("Team-1", "team-1"), ("a b", "default"), ("", "default"), ("ä", "default"), (String(repeating: "n", count: 51), "default"),
        ])
    func namespaces(_ given: String, _ expected: String) throws {
        #expect(try Field("namespace", .namespace, "").value(of: .string(given)) == expected)
    }

    @Test("query text is what JSON would say of it")
    func queries() {
        #expect(
            credits.given("7") == 7 && credits.given("1e3") == .double(1000) && credits.given("seven") == "seven"
                && credits.given("NaN") == "NaN")
        #expect(
            credits.given("1e400") == "1e400" && Field("flag", .flag, "").given("true") == true
                && Field("flag", .flag, "").given("1") == "1")
    }

    @Test(
        "ISO 8601 times are read in their usual forms",
        arguments: [
            ("1970-01-01", 0), ("2026-11-21T10:27:00Z", 1_795_256_820_000), ("2026-11-21T10:27", 1_795_256_820_000),
            ("2026-11-21T12:27:00.5+02:00", 1_795_256_820_500), ("2026-11-21T08:27:00.123456-0200", 1_795_256_820_123),
            ("2024-02-29", 1_709_164_800_000),
            ("1969-12-31T23:59:59Z", -1000),
        ])
    func times(_ text: String, _ expected: Int) {
        #expect(Timestamp.milliseconds(text) == expected)
        #expect(Timestamp.milliseconds(Timestamp.text(milliseconds: expected)) == expected)
    }

    @Test(
        "and in no others",
        arguments: [
            "", "now", "2026", "2026-13-01", "2026-00-10", "2025-02-29", "1900-02-29", "2026-11-21T24:00:00Z", "2026-11-21T10:60Z",
            "2026-11-21 ", "2026-11-21T10:27:00Zx",
            "+2026-11-21", "2026-11-21T10:27:00.Z", "1795256820000", "２026-11-21",
        ])
    func noTimes(_ text: String) {
        #expect(Timestamp.milliseconds(text) == nil)
    }
}
