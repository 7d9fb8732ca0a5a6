// One tool call of a request: its plan, its outcome, its receipt.

/// A single call, or one of a batch.
package struct CallPart: Sendable {
    /// As the client wrote it, with its prefix where there are several servers.
    package let tool: String
    /// What it costs and has to pass, as last judged; free until then.
    package internal(set) var plan = Plan(price: 0, limits: [])
    /// A stage knew the answer: no server is asked.
    package internal(set) var isKnown = false
    /// Nil while it is under way.
    package internal(set) var outcome: PartOutcome?
    /// A hold was opened for it.
    var isHeld = false
    /// What was held for it goes back.
    package internal(set) var isRefunded = false
    /// What the answer's size asks for.
    var surchargeAsked = 0
    /// Credits as the ledger decided; nil before that.
    var charged: Int?
    /// As much of the surcharge as the balance of the admission would pay.
    var surchargeExpected = 0

    package init(tool: String) {
        self.tool = tool
    }

    /// Credits that are to be kept of what was held.
    var kept: Int { isHeld && !isRefunded ? plan.price : 0 }

    /// What the ledger decided; before that, what it is asked for.
    package var receipt: Receipt {
        let total = charged ?? kept + surchargeExpected
        let held = isHeld ? plan.price : 0
        let base = min(total, held)
        return Receipt(held: held, base: base, surcharge: total - base)
    }
}

/// The parts of a call, at least one.
package struct CallParts: Sendable {
    private var parts: [CallPart]

    /// - Parameter tools: at least one name; a call without any has one part without a name.
    package init(tools: some Collection<String>) {
        parts = tools.isEmpty ? [CallPart(tool: "")] : tools.map(CallPart.init)
    }

    package init(tool: String) {
        parts = [CallPart(tool: tool)]
    }

    /// At least 1.
    package var count: Int { parts.count }
    /// Numbers of the parts, in the order of the request.
    package var indices: Range<Int> { parts.indices }
    /// All parts together.
    package var receipt: Receipt { indices.reduce(Receipt()) { $0 + parts[$1].receipt } }
    /// The price of all parts, whether it was taken or not.
    package var price: Int { indices.reduce(0) { $0 + parts[$1].plan.price } }

    /// A part by its number, which has to be one of `indices`.
    package internal(set) subscript(index: Int) -> CallPart {
        // In place and inlined, so that the machine reads and writes one member of a part without a copy of the others.
        @inline(__always) _read { yield parts[index] }
        @inline(__always) _modify { yield &parts[index] }
    }
}
