// What meters say after an admission, and what headers say of it.

/// What a meter says after an admission.
package struct MeterReading: Sendable, Equatable {
    /// What still fits; below zero where a limit that only warns is passed.
    package let remaining: Int
    /// Microseconds until there is more room: of a rolling window its oldest admission's leaving, of a calendar period its end; 0 where nobody knows.
    package let reset: Int

    package init(remaining: Int, reset: Int) {
        self.remaining = remaining
        self.reset = reset
    }
}

/// What `X-RateLimit-*` say (F-HDR-04).
package struct RateReading: Sendable, Equatable {
    /// Calls that the window has room for.
    package let limit: Int
    /// Calls that it has room for now, 0 or more.
    package let remaining: Int
    /// Whole seconds, rounded up.
    package let reset: Int

    package init(limit: Int, remaining: Int, reset: Int) {
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
    }

    /// What a rolling window says of itself.
    init(_ window: Limit, _ reading: MeterReading) {
        self.init(limit: window.cap, remaining: max(0, reading.remaining), reset: (reading.reset + 999_999) / 1_000_000)
    }
}

extension Limit {
    /// Whether headers show it.
    package var isRolling: Bool {
        if case .rolling = window { true } else { false }
    }
}
