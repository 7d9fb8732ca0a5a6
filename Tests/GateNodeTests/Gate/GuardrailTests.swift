import GateDomain
@testable import GateSettings
import Testing

@testable import GateNode

@Suite("Guardrails")
struct GuardrailTests {
    static func effect(
        _ pattern: GuardrailPattern, _ action: GuardrailRule.Action, on json: String, tool: String = "t", tools: Set<String> = []
    ) -> Effect {
        let rule = GuardrailRule(id: "r", pattern: pattern, action: action, scope: .input, tools: tools)
        return Array(json.utf8).withUnsafeBytes { bytes in
            let view = CallView(caller: .nobody, tool: tool, payload: bytes, address: IPAddress(v4: 1), now: 0)
            return rule.stages[0].decide(view)
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
        "what is found becomes [REDACTED], and every other byte stays what it was",
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
        let rule = { GuardrailRule(id: "r", pattern: .email, action: .block, scope: $0) }
        #expect(rule(.both).stages.map(\.phase) == [.input, .output])
        #expect(rule(.input).stages.map(\.phase) == [.input] && rule(.output).stages.map(\.phase) == [.output])
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
                let isJSON = Array(once.utf8).withUnsafeBytes { JSONStrings.finds(of: pattern, in: $0) }
                #expect(isJSON != nil, "\(pattern) \(json) -> \(once)")
                #expect(Self.redacted(pattern, once) == once || pattern == .email, "\(pattern) \(json) -> \(once)")
                #expect(once.hasPrefix(#"{"k\#(strings[0])":["#) && once.hasSuffix("},12.5e3,null]}"))
            }
        }
    }

    @Test("time is bounded: a megabyte of almost-finds takes no longer than a megabyte", .timeLimit(.minutes(1)))
    func time() {
        for piece in ["4111-", "2 ", "a@a", "a.", "@", "AKIA", "123-45-", "a@b."] {
            let json = "\"" + String(repeating: piece, count: 1_000_000 / piece.utf8.count) + "\""
            for pattern in GuardrailPattern.allCases {
                let start = ContinuousClock.now
                _ = Self.redacted(pattern, json)
                #expect(ContinuousClock.now - start < .seconds(3), "\(pattern) \(piece)")
            }
        }
    }
}
