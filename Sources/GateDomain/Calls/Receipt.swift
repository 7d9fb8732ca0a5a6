// What one part of a call came to; headers, body, log, metrics and event say nothing else.

/// What one part is charged when its hold ends, and the event that is written with it.
package struct Charge: Sendable, Equatable {
    /// Credits that are charged for certain, at most what was held.
    package let base: Int
    /// Credits that are charged as far as the balance goes.
    package let surcharge: Int
    /// What is written with it.
    package let event: CallEvent

    package init(base: Int, surcharge: Int = 0, event: CallEvent) {
        self.base = base
        self.surcharge = surcharge
        self.event = event
    }
}

/// The credits of one part, or of all parts of a call.
package struct Receipt: Sendable, Equatable {
    /// Set aside before the call.
    package var held: Int
    /// Kept of that.
    package var base: Int
    /// Taken for the size of the answer, as far as the balance went.
    package var surcharge: Int

    package init(held: Int = 0, base: Int = 0, surcharge: Int = 0) {
        self.held = held
        self.base = base
        self.surcharge = surcharge
    }

    /// Credits that were held and are given back.
    package var refunded: Int { held - base }
    /// Credits that the call cost in the end.
    package var charged: Int { base + surcharge }

    /// Both together, for the parts of a batch.
    package static func + (left: Receipt, right: Receipt) -> Receipt {
        Receipt(held: left.held + right.held, base: left.base + right.base, surcharge: left.surcharge + right.surcharge)
    }
}
