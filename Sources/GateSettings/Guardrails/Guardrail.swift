// What the operator does not want to pass in arguments or answers, as stages of the pipeline.

package import GateDomain
package import GateValues
import MCPWire

/// What a rule looks for.
package enum GuardrailMatcher: Sendable, Equatable {
    /// One of the kinds that the gate knows.
    case detector(GuardrailPattern)
    /// What an operator has written down.
    case expression(ByteExpression)

    /// - Parameter text: the word of a detector, or a regular expression.
    /// - Throws: why it is neither, as a whole sentence.
    package init(_ text: String, flags: String = "") throws(ValueFault) {
        if let detector = GuardrailPattern(rawValue: text), flags.isEmpty {
            self = .detector(detector)
        } else {
            self = .expression(try ByteExpression(text, flags: flags))
        }
    }

    /// As it was written.
    package var text: String {
        switch self {
        case .detector(let detector): detector.rawValue
        case .expression(let expression): expression.source
        }
    }

    /// Empty for a detector.
    package var flags: String { if case .expression(let expression) = self { expression.flags } else { "" } }

    func search(_ text: UnsafeRawBufferPointer, _ found: (Range<Int>) -> Bool) {
        switch self {
        case .detector(let detector): detector.search(text, found)
        case .expression(let expression): expression.search(text, found)
        }
    }
}

/// One rule of an operator (F-GUARD-01 to F-GUARD-04).
package struct GuardrailRule: Sendable, Equatable {
    /// What happens when a rule finds something.
    package enum Action: String, Sendable, CaseIterable {
        /// The operator's log says that it was met.
        case log
        /// The client is told in `X-Guardrail-Warning`.
        case warn
        /// The call is refused, or its answer withheld.
        case block
        /// What was found becomes `[REDACTED]`.
        case redact
    }

    /// What a rule looks at.
    package enum Scope: String, Sendable, CaseIterable {
        /// The arguments of calls.
        case input
        /// What the tools answer.
        case output
        /// Arguments and answers.
        case both
    }

    /// Names the rule to clients and operators; visible ASCII, at most 64 bytes.
    package let id: String
    /// What people call it.
    package let name: String
    /// What it looks for.
    package let pattern: GuardrailMatcher
    /// What happens when it finds something.
    package let action: Action
    /// Where it looks.
    package let scope: Scope
    /// Empty for every tool.
    package let tools: Set<String>
    /// One that is not is kept and does nothing.
    package let isActive: Bool
    /// What stands in the place of what was found; nil for `[REDACTED]`.
    package let redactWith: String?
    /// What it is for.
    package let help: String?

    /// The most rules that a gate has: each looks at every byte of what it concerns.
    package static let capacity = 32

    /// - Parameter name: the id where it is nil.
    package init(
        id: String, name: String? = nil, pattern: GuardrailMatcher, action: Action, scope: Scope = .both, tools: Set<String> = [],
        isActive: Bool = true, redactWith: String? = nil, help: String? = nil
    ) {
        self.id = id
        self.name = name ?? id
        self.pattern = pattern
        self.action = action
        self.scope = scope
        self.tools = tools
        self.isActive = isActive
        self.redactWith = redactWith
        self.help = help
    }

    /// Those of a gate whose operator has listed none (F-GUARD-01).
    package static let builtIn: [GuardrailRule] = [
        GuardrailRule(id: "pii_credit_card", name: "Credit card numbers", pattern: .detector(.creditCard), action: .block),
        GuardrailRule(id: "pii_ssn", name: "Social security numbers", pattern: .detector(.ssn), action: .block),
        GuardrailRule(id: "pii_email", name: "Email addresses", pattern: .detector(.email), action: .log),
        GuardrailRule(id: "pii_phone", name: "Phone numbers", pattern: .detector(.phone), action: .log),
        GuardrailRule(id: "secret_aws_key", name: "AWS access keys", pattern: .detector(.awsAccessKey), action: .block),
        GuardrailRule(id: "secret_api_key", name: "API keys and secrets", pattern: .detector(.apiSecret), action: .warn),
        GuardrailRule(id: "pii_iban", name: "Bank account numbers (IBAN)", pattern: .detector(.iban), action: .block),
        GuardrailRule(id: "pii_passport", name: "Passport numbers", pattern: .detector(.passport), action: .log, isActive: false),
    ]
}

extension Pipeline {
    /// The stages of every gate, and those of the operator's guardrails in the order given; rules beyond `GuardrailRule.capacity` are left out.
    /// - Parameters:
    ///   - schemas: what the arguments of tools have to be as they come, before a guardrail changes them.
    ///   - tellsContext: whether violations say what stands around them.
    package init(guardrails: [GuardrailRule], schemas: [ExactText: ArgumentSchema] = [:], tellsContext: Bool = false) {
        let rules = guardrails.prefix(GuardrailRule.capacity).filter(\.isActive)
        self.init(
            Pipeline.standard + (schemas.isEmpty ? [] : [.argumentsFit(schemas)]) + rules.flatMap { $0.stages(tellsContext: tellsContext) })
    }
}

extension GuardrailRule {
    /// The rule as stages: one for arguments, one for answers, or both.
    package func stages(tellsContext: Bool = false) -> [Stage] {
        let phases: [Phase] =
            switch scope {
            case .input: [.input]
            case .output: [.output]
            case .both: [.input, .output]
            }
        return phases.map { phase in Stage("guardrail \(id)", phase) { call in effect(on: call, phase, tellsContext) } }
    }

    /// Finds that are counted of a call where none of them is replaced.
    private static let counted = 1000

    /// What cannot be read cannot be made harmless and does not pass.
    private func effect(on call: borrowing CallView, _ phase: Phase, _ tellsContext: Bool) -> Effect {
        guard tools.isEmpty || tools.contains(call.tool) else { return .pass }
        return call.withPayload { bytes in
            if bytes.isEmpty { return .pass }
            guard let finds = JSONStrings.finds(of: pattern, in: bytes, most: action == .redact ? .max : Self.counted) else {
                return .deny(.guardrailBlocked(rule: id))
            }
            guard let first = finds.first else { return .pass }
            let violation = RuleViolation(
                rule: id, name: name, action: action.rawValue, isInAnswer: phase == .output, count: finds.count,
                context: tellsContext ? Self.context(of: first, finds, in: bytes) : "")
            return .found(violation, effect(on: call.tool, finds, in: bytes))
        }
    }

    private func effect(on tool: String, _ finds: [Range<Int>], in bytes: UnsafeRawBufferPointer) -> Effect {
        switch action {
        case .log: .note("guardrail \(id): \(pattern.text.cut(toBytes: 64)) in a call of \(tool.cut(toBytes: 64))")
        case .warn: .warn(id)
        case .block: .deny(.guardrailBlocked(rule: id))
        case .redact: .rewrite(Splice.apply(finds.map { .init($0, .bytes(replacement)) }, to: bytes))
        }
    }

    /// As it stands inside of a JSON string.
    private var replacement: [UInt8] { Array(JSONText.quoted(redactWith ?? "[REDACTED]").dropFirst().dropLast()) }

    /// The bytes around a find, with every find of the rule as stars: 32 before it and 32 behind it.
    private static func context(of find: Range<Int>, _ finds: [Range<Int>], in bytes: UnsafeRawBufferPointer) -> String {
        let upper = min(find.upperBound, find.lowerBound + 32)
        var window = max(0, find.lowerBound - 32)..<min(bytes.count, upper + 32)
        while window.lowerBound < find.lowerBound, bytes[window.lowerBound] & 0xc0 == 0x80 {
            window = window.lowerBound + 1..<window.upperBound
        }
        while window.upperBound > upper, window.upperBound < bytes.count, bytes[window.upperBound] & 0xc0 == 0x80 {
            window = window.lowerBound..<window.upperBound - 1
        }
        var shown = Array(bytes[window])
        for other in finds.prefix(while: { $0.lowerBound < window.upperBound }) where other.overlaps(window) {
            for index in other.clamped(to: window) { shown[index - window.lowerBound] = UInt8(ascii: "*") }
        }
        return String(decoding: shown, as: UTF8.self)
    }
}
