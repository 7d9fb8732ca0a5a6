// What the admission script is asked, and what it may answer.

package import GateDomain

/// One call, or one batch, that asks to be let in.
package struct AdmissionRequest {
    package let facts: KeyFacts
    /// Identifies the hold; unique over all nodes and times.
    package let hold: String
    /// Credits to take, all or nothing.
    package let price: Int
    package let calls: Int
    /// Windows and what each is asked for.
    package let limits: [(limit: Limit, cost: Int)]
    /// What the reaper needs should this node die.
    package let note: HoldNote
    /// Nil unless the client sent an idempotency key.
    package let idempotency: Idempotency?
    /// Only asks; takes nothing (F-GATE-21).
    package let dry: Bool

    package init(
        facts: KeyFacts, hold: String, price: Int, calls: Int, limits: [(limit: Limit, cost: Int)], note: HoldNote,
        idempotency: Idempotency? = nil, dry: Bool = false
    ) {
        self.facts = facts
        self.hold = hold
        self.price = price
        self.calls = calls
        self.limits = limits
        self.note = note
        self.idempotency = idempotency
        self.dry = dry
    }
}

/// A client's own name for a call, so that repeating it does not repeat the charge (D17 to D20).
package struct Idempotency: Sendable, Equatable {
    /// As the client sent it; scoped to its API key.
    package let key: String
    /// Digest of what is asked; the same key with another one is refused.
    package let fingerprint: String
    /// Milliseconds that the answer is kept.
    package let retention: Int

    package init(key: String, fingerprint: String, retention: Int) {
        self.key = key
        self.fingerprint = fingerprint
        self.retention = retention
    }
}

/// The answer of the script.
package enum Admission: Sendable {
    /// Taken. `windows` has remaining admissions and microseconds to the next free one, a pair a limit.
    case admitted(credits: Int, windows: [(remaining: Int, reset: Int)])
    /// The record has changed since it was read: judge again.
    case stale
    case denied(Denial, credits: Int?)
    /// The same call is under way, perhaps on another node.
    case running
    /// The same call has been answered; this is the answer.
    case replay([UInt8])
    /// The idempotency key was used for something else.
    case conflict
    /// Nothing was taken, or nobody knows: the hold has to be abandoned.
    case failed(StoreFailure)
}

/// What a hold says of itself, for whoever has to resolve it without its node.
package struct HoldNote: Sendable, Equatable {
    package var node: String
    package var price: Int
    package var calls: Int
    package var idempotencyKey: String
    /// The event to be written if the outcome stays unknown, one for the whole hold.
    package var event: CallEvent

    package init(node: String, price: Int, calls: Int, idempotencyKey: String, event: CallEvent) {
        self.node = node
        self.price = price
        self.calls = calls
        self.idempotencyKey = idempotencyKey
        self.event = event
    }

    /// Four fields of its own, then those of the event.
    package var packed: [UInt8] {
        var fields = PackedFields()
        fields.append(node)
        fields.append(price)
        fields.append(calls)
        fields.append(idempotencyKey)
        event.pack(into: &fields)
        return fields.bytes
    }

    package init?(packed: String) {
        let fields = PackedFields.split(packed)
        guard fields.count > 4, let price = Int(fields[1]), let calls = Int(fields[2]), let event = CallEvent(fields: Array(fields[4...]))
        else { return nil }
        self.init(node: fields[0], price: price, calls: calls, idempotencyKey: fields[3], event: event)
    }
}
