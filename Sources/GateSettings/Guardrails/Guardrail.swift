// What the operator does not want to pass in arguments or answers, as stages of the pipeline.

package import GateDomain
import MCPWire

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
    /// What it looks for.
    package let pattern: GuardrailPattern
    /// What happens when it finds something.
    package let action: Action
    /// Where it looks.
    package let scope: Scope
    /// Empty for every tool.
    package let tools: Set<String>

    /// The most rules that a gate has: each looks at every byte of what it concerns.
    package static let capacity = 32

    package init(id: String, pattern: GuardrailPattern, action: Action, scope: Scope = .both, tools: Set<String> = []) {
        self.id = id
        self.pattern = pattern
        self.action = action
        self.scope = scope
        self.tools = tools
    }
}

extension Pipeline {
    /// The stages of every gate, and those of the operator's guardrails in the order given; rules beyond `GuardrailRule.capacity` are left out.
    package init(guardrails: [GuardrailRule]) {
        self.init(Pipeline.standard + guardrails.prefix(GuardrailRule.capacity).flatMap(\.stages))
    }
}

extension GuardrailRule {
    /// The rule as stages: one for arguments, one for answers, or both.
    package var stages: [Stage] {
        let phases: [Phase] =
            switch scope {
            case .input: [.input]
            case .output: [.output]
            case .both: [.input, .output]
            }
        return phases.map { phase in Stage("guardrail \(id)", phase) { call in effect(on: call) } }
    }

    private func effect(on call: borrowing CallView) -> Effect {
        guard tools.isEmpty || tools.contains(call.tool) else { return .pass }
        return call.withPayload { bytes in
            if bytes.isEmpty { return .pass }
            if action == .redact { return redact(bytes) }
            switch JSONStrings.contains(pattern, in: bytes) {
            case false?: return .pass
            case nil: return .deny(.guardrailBlocked(rule: id))
            case true?: break
            }
            switch action {
            case .log: return .note("guardrail \(id): \(pattern.rawValue) in a call of \(call.tool.cut(toBytes: 64))")
            case .warn: return .warn(id)
            case .block, .redact: return .deny(.guardrailBlocked(rule: id))
            }
        }
    }

    /// What cannot be read cannot be made harmless and does not pass.
    private func redact(_ bytes: UnsafeRawBufferPointer) -> Effect {
        guard let finds = JSONStrings.finds(of: pattern, in: bytes) else { return .deny(.guardrailBlocked(rule: id)) }
        if finds.isEmpty { return .pass }
        return .rewrite(Splice.apply(finds.map { .init($0, .bytes(Self.redacted)) }, to: bytes))
    }

    private static let redacted = Array("[REDACTED]".utf8)
}
