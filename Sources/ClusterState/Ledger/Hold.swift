// Credits that are set aside for a call which is under way, and how that ends.

package import GateDomain

/// An open hold. Not copyable: it is handed to the ledger exactly once, to be settled or abandoned (docs/architecture.md, rule 5).
package struct Hold: ~Copyable {
    /// Unlike that of any other hold, of whatever node and time.
    package let id: String
    /// Whose accounts it was taken from.
    package let caller: CachedKey
    /// How a repetition finds the call; nil for none.
    package let idempotency: Idempotency?
    /// Where it lies: the name under which its node was known when it was admitted.
    let node: String
    /// Milliseconds of Redis TIME after which no copy of its admission is carried out any more.
    let admissibleUntil: Int
    /// Whether a copy of its admission may be on its way that nobody has heard of.
    let isDoubtful: Bool

    init(_ request: AdmissionRequest, node: String, admissibleUntil: Int, isDoubtful: Bool = false) {
        self.isDoubtful = isDoubtful || request.isRepeated
        id = request.hold
        caller = request.caller
        idempotency = request.idempotency
        self.node = node
        self.admissibleUntil = admissibleUntil
    }
}

/// How a hold ends. What goes back is read from the hold in Redis and never from here.
package final class Settlement {
    /// The id of the hold that ends.
    package let hold: String
    let caller: CachedKey
    let node: String
    let admissibleUntil: Int
    let isDoubtful: Bool
    /// Calls of the hold that are taken back from counts and quotas, because they were refunded.
    package let returned: Int
    /// One for each call of the hold, in their order.
    package let charges: [Charge]
    /// What repetitions will find.
    package let memory: Memory
    let mode: Mode

    /// Who ends the hold, and what that means if it is closed already; the words of settle.lua.
    enum Mode: String {
        /// An earlier copy may have been here: it is told what that one was told.
        case settle
        /// The caller was told of no success: what an earlier copy took is given back, unless its stored answer has been seen.
        case release
    }

    /// What becomes of the record of an idempotent call.
    package enum Memory {
        /// There is none, as the call was not idempotent.
        case none
        /// Repetitions get this answer, byte for byte.
        case keep(Idempotency, answer: [UInt8])
        /// The call may be made again under this idempotency key.
        case drop(key: String)

        /// Bytes of the answer that is kept.
        var keptBytes: Int {
            if case .keep(_, let answer) = self { answer.count } else { 0 }
        }
    }

    /// Settles a hold of this node. - Parameter answer: kept for repetitions if the call was idempotent; nil lets it be made again.
    package init(_ hold: consuming Hold, returned: Int, charges: [Charge], answer: [UInt8]?) {
        self.hold = hold.id
        caller = hold.caller
        node = hold.node
        admissibleUntil = hold.admissibleUntil
        isDoubtful = hold.isDoubtful
        self.returned = returned
        self.charges = charges
        mode = .settle
        switch (hold.idempotency, answer) {
        case (nil, _): memory = .none
        case (let idempotency?, let answer?): memory = .keep(idempotency, answer: answer)
        case (let idempotency?, nil): memory = .drop(key: idempotency.key)
        }
    }

    /// Gives back all of a hold of which nobody knows whether it was opened.
    package init(abandoning hold: consuming Hold) {
        self.hold = hold.id
        caller = hold.caller
        node = hold.node
        admissibleUntil = hold.admissibleUntil
        isDoubtful = true
        returned = 0
        charges = []
        memory = hold.idempotency.map { .drop(key: $0.key) } ?? .none
        mode = .release
    }

    /// The same hold given back whole: its caller was told of no success.
    package var released: Settlement { Settlement(releasing: self) }

    private init(releasing other: Settlement) {
        hold = other.hold
        caller = other.caller
        node = other.node
        admissibleUntil = other.admissibleUntil
        isDoubtful = other.isDoubtful
        returned = other.charges.count
        charges = other.charges.map { charge in
            var event = charge.event
            event.outcome = .unknown
            return Charge(base: 0, event: event)
        }
        memory = if case .keep(let idempotency, _) = other.memory { .drop(key: idempotency.key) } else { other.memory }
        mode = .release
    }
}

/// What settling came to. `returned` are the calls that were taken back from counts.
package enum Settled: Sendable {
    /// Closed now or by an earlier copy of this settlement: `credits` left (nil where the admission has said it already), and what each
    /// of the charges came to, surcharge included, in their order.
    case done(credits: Int?, charged: [Int], returned: Int)
    /// Another node took this one for dead and closed the hold with `charged` credits in all; 0 if they went back.
    case closedByOthers(charged: Int, returned: Int)
    /// It was to be given back, and is not: somebody has been told the stored answer, so the charge was earned.
    case stands(charged: [Int], returned: Int)
    /// The hold is not known any more, nor what became of it.
    case gone
    /// Redis did not answer; the settlement may have been carried out.
    case failed(StoreFailure)
}
