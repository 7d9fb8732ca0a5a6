// What the admission script is asked, and what it may answer.

package import GateDomain

/// One call, or one batch, that asks to be let in.
package final class AdmissionRequest {
    /// Who calls, with the policy that the call was judged by.
    package let caller: CachedKey
    /// Identifies the hold; unique over all nodes and times.
    package let hold: String
    /// Credits to take from every account of the policy, all or nothing; 0 to 2^53 - 1.
    package let price: Int
    /// Calls of a batch, 1 for a single call.
    package let calls: Int
    /// Meters and what each is asked for.
    package let limits: [(limit: Limit, amount: Int)]
    /// The event to be written if nobody ever says what came of it, one for the whole hold.
    package let event: CallEvent
    /// Nil unless the client sent an idempotency key.
    package let idempotency: Idempotency?
    /// Only asks; takes nothing (F-GATE-21).
    package let dry: Bool
    /// The name under which another copy was sent that may be on its way; nil if there is none.
    let sentUnder: String?
    var isRepeated: Bool { sentUnder != nil }

    package convenience init(
        caller: CachedKey, hold: String, price: Int, calls: Int, limits: [(limit: Limit, amount: Int)], event: CallEvent,
        idempotency: Idempotency? = nil, dry: Bool = false
    ) {
        self.init(
            caller: caller, hold: hold, price: price, calls: calls, limits: limits, event: event, idempotency: idempotency, dry: dry,
            sentUnder: nil)
    }

    private init(
        caller: CachedKey, hold: String, price: Int, calls: Int, limits: [(limit: Limit, amount: Int)], event: CallEvent,
        idempotency: Idempotency?, dry: Bool, sentUnder: String?
    ) {
        self.caller = caller
        self.hold = hold
        self.price = price
        self.calls = calls
        self.limits = limits
        self.event = event
        self.idempotency = idempotency
        self.dry = dry
        self.sentUnder = sentUnder
    }

    /// The same question, of which another copy may be on its way.
    func repeated(under name: String) -> AdmissionRequest {
        AdmissionRequest(
            caller: caller, hold: hold, price: price, calls: calls, limits: limits, event: event, idempotency: idempotency, dry: dry,
            sentUnder: name)
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
    /// Milliseconds that the record waits for the answer: while the call may still be under way nobody makes it again.
    var patience: Int { max(retention, Self.longestCall) }

    /// Milliseconds that no call takes: the longest that a node waits for a server, and as much again for its settlement, or for others to
    /// find it dead.
    package static let longestCall = 600_000

    package init(key: String, fingerprint: String, retention: Int) {
        self.key = key
        self.fingerprint = fingerprint
        self.retention = retention
    }
}

/// The answer of the script.
package enum Admission: Sendable {
    /// Taken. `meters` has a reading a limit, in the order of the request.
    case admitted(credits: Int, meters: [MeterReading])
    /// Something that the policy was made from has changed since: judge again by fresh records.
    case stale
    /// A meter or the money says no; `credits` is what the caller has left, `rate` what is left of its last rolling window; nil where that was
    /// not read.
    case denied(Denial, credits: Int?, rate: MeterReading? = nil)
    /// The same call is under way, perhaps on another node.
    case running
    /// The same call has been answered; this is the answer.
    case replay([UInt8])
    /// The same call was charged by a node that died before its answer was known; it is not made again.
    case unanswered
    /// The idempotency key was used for something else.
    case conflict
    /// Nothing was taken, or nobody knows: the hold has to be abandoned.
    case failed(StoreFailure)
}
