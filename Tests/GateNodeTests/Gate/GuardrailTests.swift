import Foundation
import GateDomain
@testable import GateSettings
import GateTesting
import GateValues
import Testing

@testable import GateNode

@Suite("Guardrails")
struct GuardrailTests {
    static func effect(
        _ pattern: GuardrailPattern, _ action: GuardrailRule.Action, on json: String, tool: String = "t", tools: Set<String> = []
    ) -> Effect {
        effect(GuardrailRule(id: "r", pattern: .detector(pattern), action: action, scope: .input, tools: tools), on: json, tool: tool)
            .effect
    }

    /// What the first stage of a rule does, and what it records.
    static func effect(
        _ rule: GuardrailRule, on json: String, tool: String = "t", tellsContext: Bool = false
    ) -> (effect: Effect, violation: RuleViolation?) {
        Array(json.utf8).withUnsafeBytes { bytes in
            let view = CallView(caller: .nobody, tool: tool, payload: bytes, address: IPAddress(v4: 1), now: 0)
            let effect = rule.stages(tellsContext: tellsContext)[0].decide(view)
            if case .found(let violation, let consequence) = effect { return (consequence, violation) }
            return (effect, nil)
        }
    }

    static func redacted(_ pattern: GuardrailPattern, _ json: String) -> String {
        switch effect(pattern, .redact, on: json) {
        case .pass: json
        case .rewrite(let bytes): String(decoding: bytes, as: UTF8.self)
        case let other: "\(other)"
        }
    }

    @Test(
        "F-GUARD-01: what is found becomes [REDACTED], and every other byte stays what it was",
        arguments: [
            (
                GuardrailPattern.creditCard, #"{"a":"pay 4111 1111 1111 1111 now", "b": 4111111111111111}"#,
                #"{"a":"pay [REDACTED] now", "b": 4111111111111111}"#
            ),
            (.creditCard, #"["12 5500-0000-0000-0004","378282246310005."]"#, #"["12 [REDACTED]","[REDACTED]."]"#),
            (.creditCard, #""6011111111111117""#, #""[REDACTED]""#),
            (.ssn, #"{"n":["SSN 123-45-6789, 123 45 6789"]}"#, #"{"n":["SSN [REDACTED], [REDACTED]"]}"#),
            (.email, #"{"to":"<a.b+c@mail.example.org>, x@y.de.", "a@b.cd":"k"}"#, #"{"to":"<[REDACTED]>, [REDACTED].", "a@b.cd":"k"}"#),
            (.email, #"{ "é": "é@b.cd é a@b.cd-" }"#, #"{ "é": "é@b.cd é [REDACTED]-" }"#),
            (.awsAccessKey, #"{"k":"key=AKIAIOSFODNN7EXAMPLE;"}"#, #"{"k":"key=[REDACTED];"}"#),
            (
                .phone, #"["+49 (30) 1234-5678, 212-555-0123","(415) 555.0123 x 1 800 555 0199."]"#,
                #"["[REDACTED], [REDACTED]","[REDACTED] x [REDACTED]."]"#
            ),
            (.phone, #""+15550100123/+4930901820""#, #""[REDACTED]/[REDACTED]""#),
            (.apiSecret, #"{"a":"sk-proj_0123456789abcdef, ghp_0123456789abcdefXYZ."}"#, #"{"a":"[REDACTED], [REDACTED]"}"#),
            (
                .apiSecret, #"["API_KEY = \"s3cr3t-0123456789ab\"", "password: hunter2hunter2hunter2"]"#,
                #"["API_KEY = \"[REDACTED]\"", "password: [REDACTED]"]"#
            ),
            (.iban, #""to DE89370400440532013000 or GB82 WEST 1234 5698 7654 32!""#, #""to [REDACTED] or [REDACTED]!""#),
            (.passport, #"["C01234567 AB123456", "é X12345678"]"#, #"["[REDACTED] [REDACTED]", "é [REDACTED]"]"#),
        ])
    func finds(pattern: GuardrailPattern, json: String, expected: String) {
        #expect(Self.redacted(pattern, json) == expected)
    }

    @Test(
        "what only looks like it passes",
        arguments: [
            (GuardrailPattern.creditCard, #""4111 1111 1111 1112""#), (.creditCard, #""a4111111111111111""#),
            (.creditCard, #""41111111111111111111111""#),
            (.creditCard, #""0000000000000000""#), (.creditCard, #""4111""#), (.ssn, #""000-45-6789""#), (.ssn, #""123-45-67890""#),
            (.ssn, #""666-45-6789 900-45-6789 123-00-6789 123-45-0000 123-45 6789""#), (.email, #""@b.cd a@b a@.cd a@b.c a@b..cd""#),
            (.email, #""a at b.cd""#), (.awsAccessKey, #""AKIAIOSFODNN7EXAMPLE1""#), (.awsAccessKey, #""XAKIAIOSFODNN7EXAMPLE""#),
            (.awsAccessKey, #""AKIAiosfodnn7example""#), (.awsAccessKey, #""AKIA""#), (.email, "{}"),
            (.phone, #""2026-11-22 12:30 1.2.3 10.0.0.1 +0123456789 +123 x212-555-0123 212-555-01234 112-555-0123""#),
            (.apiSecret, #""token: none, sk-learn-documentation-pages, secret=abc, tokenize=0123456789abcdef""#),
            (.iban, #""DE88370400440532013000 DE8937040044 XDE89370400440532013000 DE893704004405320130001""#),
            (.passport, #""A12345 AB1234567890 ABC123456 a1234567 XA12345678b""#),
        ])
    func lookalikes(pattern: GuardrailPattern, json: String) {
        #expect(Self.redacted(pattern, json) == json)
    }

    @Test("escapes hide nothing, and none is split")
    func escapes() {
        #expect(Self.redacted(.email, #"{"a":"\tx\u0040example.com\n\"y\\"}"#) == #"{"a":"\t[REDACTED]\n\"y\\"}"#)
        #expect(Self.redacted(.creditCard, #""\u0034111111111111111 \u00e9""#) == #""[REDACTED] \u00e9""#)
        #expect(Self.redacted(.ssn, #""\ud83d\ude00123-45-6789\u002D""#) == #""\ud83d\ude00[REDACTED]\u002D""#)
        #expect(Self.redacted(.email, #""a\u00e9@b.cd""#) == #""a\u00e9@b.cd""#, "no address ends in a letter outside ASCII")
        #expect(Self.redacted(.phone, #""\ud83d\ude00\u002b4930901820""#) == #""\ud83d\ude00[REDACTED]""#)
    }

    @Test("each action does its own, and only for the tools it names")
    func actions() {
        let json = #"{"a":"x@example.com"}"#
        #expect(Self.effect(.email, .block, on: json) == .deny(.guardrailBlocked(rule: "r")))
        #expect(Self.effect(.email, .warn, on: json) == .warn("r"))
        #expect(Self.effect(.email, .log, on: json) == .note("guardrail r: email in a call of t"))
        #expect(Self.effect(.email, .block, on: #"{"a":"x"}"#) == .pass)
        #expect(Self.effect(.email, .block, on: json, tools: ["u"]) == .pass)
        #expect(Self.effect(.email, .block, on: json, tools: ["u", "t"]) == .deny(.guardrailBlocked(rule: "r")))
        #expect(Self.effect(.email, .block, on: "") == .pass)
        #expect(Self.effect(.email, .redact, on: "{") == .deny(.guardrailBlocked(rule: "r")), "what cannot be read does not pass")
    }

    @Test("a rule for both sides is two stages, and they run in their phases")
    func scopes() {
        let rule = { GuardrailRule(id: "r", pattern: .detector(.email), action: .block, scope: $0) }
        #expect(rule(.both).stages().map(\.phase) == [.input, .output])
        #expect(rule(.input).stages().map(\.phase) == [.input] && rule(.output).stages().map(\.phase) == [.output])
    }

    @Test("F-GUARD-04: redaction keeps valid JSON valid and finds nothing a second time, whatever is in it")
    func mutations() throws {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "4111 1111 1111 1111", "123-45-6789", "a@b.cd", "AKIAIOSFODNN7EXAMPLE", #"\u0040"#, #"\\"#, #"\""#, #"\u00e9"#, "é", " ", ".",
            "1", "-", "a", "@",
        ]
        for _ in 0..<3000 {
            let strings = (0..<3).map { _ in (0..<Int.random(in: 0...8, using: &random)).map { _ in pieces.randomElement() ?? "" }.joined()
            }
            let json = #"{"k\#(strings[0])":["\#(strings[1])",{"x":"\#(strings[2])"},12.5e3,null]}"#
            for pattern in GuardrailPattern.allCases {
                let once = Self.redacted(pattern, json)
                // Judged by somebody else's reader of JSON, and not by the one that is tested.
                let isJSON = (try? JSONSerialization.jsonObject(with: Data(once.utf8))) is [String: Any]
                #expect(isJSON, "\(pattern) \(json) -> \(once)")
                #expect(Self.redacted(pattern, once) == once || pattern == .email, "\(pattern) \(json) -> \(once)")
                #expect(once.hasPrefix(#"{"k\#(strings[0])":["#) && once.hasSuffix("},12.5e3,null]}"))
            }
        }
    }

    @Test("time is bounded: what is almost found again and again takes no longer than other text", .timeLimit(.minutes(2)))
    func time() {
        for piece in ["4111-", "2 ", "a@a", "a.", "@", "AKIA", "123-45-", "a@b.", "+1", "212-", "token=a", "sk-", "DE89", "A12345"] {
            let json = "\"" + String(repeating: piece, count: 100_000 / piece.utf8.count) + "\""
            for pattern in GuardrailPattern.allCases {
                let start = ContinuousClock.now
                _ = Self.redacted(pattern, json)
                #expect(ContinuousClock.now - start < .seconds(3).patiently, "\(pattern) \(piece)")
            }
        }
    }

    @Test("F-GUARD-02: a rule tells how often it was met and where, and what stands around it only where somebody wants to know")
    func violations() {
        let rule = GuardrailRule(
            id: "r", name: "Mail", pattern: .detector(.email), action: .redact, scope: .output, redactWith: "<\"mail\">")
        let json = #"{"to":"é a@b.cd and x@y.de","n":1}"#
        let (effect, violation) = Self.effect(rule, on: json)
        #expect(effect == .rewrite(Array(#"{"to":"é <\"mail\"> and <\"mail\">","n":1}"#.utf8)))
        #expect(violation == RuleViolation(rule: "r", name: "Mail", action: "redact", isInAnswer: true, count: 2, context: ""))
        #expect(Self.effect(rule, on: json, tellsContext: true).violation?.context == #"{"to":"é ****** and ******","n":1}"#)
        let long = "\"" + String(repeating: "é", count: 100) + " a@b.cd " + String(repeating: "é", count: 100) + "\""
        let context = Self.effect(rule, on: long, tellsContext: true).violation?.context
        #expect(context == String(repeating: "é", count: 15) + " ****** " + String(repeating: "é", count: 15))
    }
}

@Suite("Expressions of guardrails")
struct ByteExpressionTests {
    static func redacted(_ pattern: String, _ flags: String, _ text: String) throws -> String {
        let rule = GuardrailRule(
            id: "r", pattern: .expression(try ByteExpression(pattern, flags: flags)), action: .redact, scope: .input, redactWith: "~")
        return switch GuardrailTests.effect(rule, on: text).effect {
        case .rewrite(let bytes): String(decoding: bytes, as: UTF8.self)
        default: text
        }
    }

    @Test(
        "what an expression matches is found, whole, and no byte beside it",
        arguments: [
            (#"\d{3}-\d{4}"#, "", #""call 555-0123, 5550-1234 55-0123""#, #""call ~, 5~ 55-0123""#),
            (#"\bproject (zeus|hera)\b"#, "i", #""Project ZEUS, projects zeus, project herald""#, #""~, projects zeus, project herald""#),
            (#"^ab|yz$"#, "", #"["ab ab","yz yz"]"#, #"["~ ab","yz ~"]"#), (#"^b$"#, "m", #""a\nb\nbb""#, #""a\n~\nbb""#),
            (#"a.c"#, "", #""abc aéc a😀c a\nc""#, #""~ ~ ~ a\nc""#), (#"a.c"#, "s", #""a\nc""#, #""~""#),
            (#"[^a-c\s]+"#, "", #""abcé def""#, #""abc~ ~""#), (#"é+"#, "", #""caféé \u00e9""#, #""caf~ ~""#),
            (#"x*y?z"#, "", #""xxz yz z xy""#, #""~ ~ ~ xy""#), (#"(?:ab){2,3}"#, "", #""ab abab ababab abababab""#, #""ab ~ ~ ~""#),
            (#"[\w.-]+@corp\.example"#, "", #""<j.doe@corp.example>""#, #""<~>""#), (#"\u{41}\x42\/"#, "", #""AB/""#, #""~""#),
            (#"(a|ab)(c|bcd)(d*)"#, "", #""abcd""#, #""~""#), (#"\Bb\B"#, "", #""abc b""#, #""a~c b""#),
            (#"a{,2}"#, "", #""a{,2}""#, #""~""#),
            (#"(?<year>20\d\d)"#, "g", #""in 2026""#, #""in ~""#), (#"\S\D"#, "", #""1 aé""#, #""~""#),
        ])
    func matches(pattern: String, flags: String, text: String, expected: String) throws {
        #expect(try Self.redacted(pattern, flags, text) == expected)
    }

    @Test(
        "what an automaton cannot do, or would not end with, is refused with a sentence",
        arguments: [
            "", "(", ")", "a)", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", #"(a)\1"#, "[", "[b-a]", "[é]", "*", "a**", "a{3,1}", #"\"#, #"\q"#,
            #"\u12"#,
            "a*", "(|a)", "^", "^$", #"\b"#, "(?i)a", "a{129}", "(a{100}){100}", "((((((a{20}){20}){20}){20}){20}){20})", #"\b*a"#,
            String(repeating: "(", count: 30) + "a" + String(repeating: ")", count: 30), String(repeating: "a", count: 129),
            String(repeating: "a|", count: 251),
        ])
    func refused(pattern: String) {
        #expect(throws: ValueFault.self) { try ByteExpression(pattern) }
        #expect(throws: ValueFault.self) { try ByteExpression("a", flags: "y") }
    }

    @Test("F-GUARD-04: expressions that take others the square of a text, or two to its power, take its length", .timeLimit(.minutes(2)))
    func time() throws {
        for (pattern, piece) in [
            ("(a+)+b", "a"), ("(a|a)*b", "a"), (#"\w+@\w+\.com"#, "a"), ("a{1,60}b", "a"), ("(x+x+)+y", "x"), ("(.*)(.*)z", "é"),
        ] {
            let expression = try ByteExpression(pattern)
            func time(_ count: Int) -> Duration {
                let text = Array(String(repeating: piece, count: count).utf8)
                return ContinuousClock().measure { text.withUnsafeBytes { expression.search($0) { _ in true } } }
            }
            let (short, long) = (time(500), time(8000))
            #expect(long < short * 100 + .seconds(1), "\(pattern): \(short) for 500, \(long) for 8000")
        }
    }

    @Test("what it covers is what comparing every part of a text finds, whatever the text")
    func reference() throws {
        var random = SystemRandomNumberGenerator()
        for source in ["ab|ba", "a+b", "(ab)+", "a(b|c)*a", "a?b{1,2}c?", "b{2,3}c", "[^a]b", "(a|ab)(c|bc)"] {
            let (expression, whole) = (try ByteExpression(source), try Regex(source))
            for _ in 0..<60 {
                let text = String((0..<Int.random(in: 0...10, using: &random)).map { _ in "abc ".randomElement(using: &random) ?? "a" })
                var covered = Array(repeating: false, count: text.utf8.count)
                for lower in 0..<text.utf8.count {
                    for upper in lower + 1..<text.utf8.count + 1
                    where try whole.wholeMatch(in: String(text.dropFirst(lower).prefix(upper - lower))) != nil {
                        for place in lower..<upper { covered[place] = true }
                    }
                }
                var found = Array(repeating: false, count: text.utf8.count)
                Array(text.utf8).withUnsafeBytes { bytes in
                    expression.search(bytes) { place in
                        for index in place { found[index] = true }
                        return true
                    }
                }
                #expect(found == covered, "\(source) in '\(text)'")
            }
        }
    }
}
