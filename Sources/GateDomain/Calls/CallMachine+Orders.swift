// What the machine of a call is told, and what it asks for.

extension CallMachine {
    /// What is to be done next.
    package enum Action: Sendable {
        /// Find the caller, in Redis if `fresh`; then `identified` or `identityAway`.
        case identify(fresh: Bool)
        /// Read what the caller has, and what the rolling limit that headers show has left, to tell both with a refusal; then `balanceRead`.
        case readBalance(showing: Limit?)
        /// Ask the ledger; then `admitted`.
        case admit(AdmissionOrder)
        /// Send every part that `isKnown` does not exempt to its server; then `answered` for each.
        case forward
        /// End the hold; then `settled`.
        case settle(SettlementOrder)
        /// End the hold with the same settlement once more; then `settled`.
        case settleAgain
        /// Come back with `timerFired` after so many milliseconds.
        case wait(milliseconds: Int)
        /// Give back a hold of which nobody knows whether it is open, however long that takes; then `next`.
        case abandon
        /// Give back the hold that could not be settled, however long that takes; then `next`.
        case release
        /// Tell the servers of all open parts that they may stop; then `next`.
        case cancel
        /// Write an event that no settlement writes; then `next`.
        case note(CallEvent)
        /// The end.
        case reply(Reply)
        /// An event that is on its way will say how it goes on.
        case none
    }

    /// What the client is told; the last word on a call.
    package enum Reply: Sendable, Equatable {
        /// What the parts came to, with their receipts.
        case served
        /// `part` is the one that was refused.
        case denied(Denial, part: Int)
        /// The store is away; nothing was charged, or it goes back.
        case unavailable
        /// The same call's answer.
        case replayed([UInt8])
        /// The same call was charged once, and its answer is not known.
        case unanswered
        /// The idempotency key was used for another request.
        case conflict
        /// The same call is under way for longer than anybody waits.
        case stillRunning
        /// Another node took this one for dead, and nobody may be told of a success.
        case lost(nothingCharged: Bool)
        /// The client gave it up before anything was sent.
        case cancelled
        /// There is no client any more.
        case nobody
    }

    /// What has to be taken, all or nothing.
    package struct AdmissionOrder: Sendable {
        /// Credits of all parts.
        package let price: Int
        /// Parts of the call, 1 or more; what call limits count.
        package let calls: Int
        /// Every limit of every part once, with what all parts together ask of it (F-RATE-08).
        package let limits: [(limit: Limit, amount: Int)]
        /// What is written if nobody ever says what came of the hold, one event for all parts.
        package let event: CallEvent
        /// Only ask (F-GATE-14).
        package let isDry: Bool
    }

    /// How the hold ends.
    package struct SettlementOrder: Sendable, Equatable {
        /// One for each part, in their order.
        package let charges: [Charge]
        /// Parts that are taken back from counts and quotas.
        package let returned: Int
        /// Whether a repetition gets this answer. A call that was given back whole may be made again; one of which any part was charged
        /// is never made twice (D18).
        package let keepsAnswer: Bool
    }

    /// The judgement of one part.
    package struct Judgement: Sendable {
        /// What the part costs and which limits it has to pass.
        package let plan: Plan
        /// The first refusal of a stage; nil if all let it pass.
        package let denial: Denial?
        /// A stage knew the answer, which costs nothing.
        package let isKnown: Bool

        package init(plan: Plan, denial: Denial? = nil, isKnown: Bool = false) {
            self.plan = plan
            self.denial = denial
            self.isKnown = isKnown
        }
    }
}
