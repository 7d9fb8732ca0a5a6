// Credits that are set aside for a call which is under way.

package import GateDomain

/// An open hold. Not copyable: it is handed to the ledger exactly once, to be settled or abandoned (`design.md` rule 5).
package struct Hold: ~Copyable {
    package let id: String
    package let facts: KeyFacts
    package let price: Int
    package let calls: Int
    package let idempotency: Idempotency?

    package init(_ request: AdmissionRequest) {
        id = request.hold
        facts = request.facts
        price = request.price
        calls = request.calls
        idempotency = request.idempotency
    }
}

/// How a hold ends.
package struct Settlement {
    package let hold: String
    package let facts: KeyFacts
    package let price: Int
    /// Calls that the hold was opened for.
    private let calls: Int
    /// Calls that are taken back from the account's count, because they were refunded.
    package let returned: Int
    package let charges: [Charge]
    package let memory: Memory
    let manner: Manner

    /// Who ends the hold, and what that means if it is not open (any more); the words of settle.lua.
    enum Manner: String {
        /// An earlier copy may have been here: it is told what that one was told.
        case settle
        /// The caller was told of no success: what an earlier copy captured is taken back.
        case release
        /// Nobody knows whether it was opened: it is not opened any more.
        case abandon
        /// Its node is dead; whoever comes second does nothing.
        case orphan
    }

    /// One event and its credits: `base` for certain, `surcharge` as far as the balance goes.
    package struct Charge {
        package let base: Int
        package let surcharge: Int
        package let event: CallEvent

        package init(base: Int, surcharge: Int = 0, event: CallEvent) {
            self.base = base
            self.surcharge = surcharge
            self.event = event
        }
    }

    /// What becomes of the record of an idempotent call.
    package enum Memory {
        case none
        case keep(Idempotency, answer: [UInt8])
        case drop(key: String)
    }

    /// Settles a hold of this node.
    package init(_ hold: consuming Hold, returned: Int, charges: [Charge], answer: [UInt8]?) {
        self.hold = hold.id
        facts = hold.facts
        price = hold.price
        calls = hold.calls
        self.returned = returned
        self.charges = charges
        manner = .settle
        switch (hold.idempotency, answer) {
        case (nil, _): memory = .none
        case (let idempotency?, let answer?): memory = .keep(idempotency, answer: answer)
        case (let idempotency?, nil): memory = .drop(key: idempotency.key)
        }
    }

    /// Gives back all of a hold of which nobody knows whether it was opened.
    package init(abandoning hold: consuming Hold) {
        self.hold = hold.id
        facts = hold.facts
        price = hold.price
        calls = hold.calls
        returned = hold.calls
        charges = []
        memory = hold.idempotency.map { .drop(key: $0.key) } ?? .none
        manner = .abandon
    }

    /// Resolves a hold whose node is dead.
    package init(orphan hold: String, note: HoldNote, facts: KeyFacts, refund: Bool) {
        self.hold = hold
        self.facts = facts
        price = note.price
        calls = note.calls
        returned = refund ? note.calls : 0
        charges = [Charge(base: refund ? 0 : note.price, event: note.event)]
        memory = note.idempotencyKey.isEmpty ? .none : .drop(key: note.idempotencyKey)
        manner = .orphan
    }
}

extension Settlement {
    /// The same hold given back whole: its caller was told of no success.
    package var released: Settlement { Settlement(releasing: self) }

    private init(releasing other: Settlement) {
        hold = other.hold
        facts = other.facts
        price = other.price
        calls = other.calls
        returned = other.calls
        charges = other.charges.map { charge in
            var event = charge.event
            event.outcome = .unknown
            return Charge(base: 0, event: event)
        }
        memory = if case .keep(let idempotency, _) = other.memory { .drop(key: idempotency.key) } else { other.memory }
        manner = .release
    }
}

/// What settling came to.
package enum Settled: Sendable {
    /// `credits` left, -1 where the admission has said it already, and `charged` in all.
    case done(credits: Int, charged: Int)
    /// The hold was not open any more: somebody else has resolved it, and nothing is charged.
    case gone
    case failed(StoreFailure)
}
