// What a rule has found in a call, and how it is kept.

/// A rule of an operator that something in a call has met (F-GUARD-02).
package struct RuleViolation: Sendable, Equatable {
    /// The rule's id.
    package let rule: String
    /// What people call the rule.
    package let name: String
    /// What the rule does: `log`, `warn`, `block` or `redact`.
    package let action: String
    /// In the answer, and not in the arguments.
    package let isInAnswer: Bool
    /// Places, as far as they were counted; 1 or more.
    package let count: Int
    /// What stands around the first of them, with what was found as stars; empty where nobody wants to know.
    package let context: String

    package init(rule: String, name: String, action: String, isInAnswer: Bool, count: Int, context: String) {
        self.rule = rule
        self.name = name
        self.action = action
        self.isInAnswer = isInAnswer
        self.count = count
        self.context = context
    }
}

/// An entry of the record of violations: ids of what it speaks of, and of the client's words the tool's name alone, cut.
package struct ViolationEvent: Sendable, Equatable {
    /// What was found.
    package let violation: RuleViolation
    /// At most `CallEvent.toolBytes` bytes.
    package let tool: String
    /// Whose call it was.
    package let keyID: String
    /// The request that it came with.
    package let requestID: String

    package init(_ violation: RuleViolation, tool: String, keyID: String, requestID: String) {
        self.violation = violation
        self.tool = tool.cut(toBytes: CallEvent.toolBytes)
        self.keyID = keyID
        self.requestID = requestID
    }

    /// Tagged fields behind a format number.
    package var packed: [UInt8] {
        var fields = PackedFields(format: 1)
        fields.append("r", violation.rule)
        fields.append("n", violation.name)
        fields.append("a", violation.action)
        fields.append("s", violation.isInAnswer ? "output" : "input")
        fields.append("c", violation.count)
        if !violation.context.isEmpty { fields.append("x", violation.context) }
        fields.append("t", tool)
        fields.append("k", keyID)
        fields.append("q", requestID)
        return fields.bytes
    }

    /// Nil for what is no such entry.
    package init?(packed: [UInt8]) {
        var texts: [UInt8: String] = [:]
        let isWhole = PackedFields.read(packed) { texts[$0] = String(decoding: $1, as: UTF8.self) }
        func text(_ tag: Unicode.Scalar) -> String { texts[UInt8(ascii: tag)] ?? "" }
        guard isWhole, !text("r").isEmpty else { return nil }
        let violation = RuleViolation(
            rule: text("r"), name: text("n"), action: text("a"), isInAnswer: text("s") == "output", count: Int(text("c")) ?? 1,
            context: text("x"))
        self.init(violation, tool: text("t"), keyID: text("k"), requestID: text("q"))
    }
}
