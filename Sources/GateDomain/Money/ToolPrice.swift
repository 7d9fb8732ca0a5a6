// The price of one tool, as the operator declares it.

/// What one tool costs and the limits of its own, as `toolPricing` declares it (F-PRICE-01, F-PRICE-03, F-PRICE-05).
///
/// Credits are whole numbers of 0 to 1,000,000,000. A zero is a zero: it never stands for "not set", which is `nil`.
package struct ToolPrice: Sendable, Equatable {
    /// Credits a call; `nil` leaves the tool at the default price.
    package var creditsPerCall: Int?
    /// Credits for each KB of the call's arguments, on top of the price.
    package var creditsPerKbInput: Int
    /// Credits for each KB of the answer, billed after it.
    package var creditsPerKbOutput: Int
    /// Calls a minute for each key, on top of the global limit; `nil` or 0 for none (F-RATE-02).
    package var rateLimitPerMin: Int?
    /// Milliseconds until a call is given up; `nil` leaves the tool at the global timeout, 0 switches it off (F-TMO-01).
    package var timeoutMs: Int?

    package init(
        creditsPerCall: Int? = nil,
        creditsPerKbInput: Int = 0,
        creditsPerKbOutput: Int = 0,
        rateLimitPerMin: Int? = nil,
        timeoutMs: Int? = nil
    ) {
        self.creditsPerCall = creditsPerCall
        self.creditsPerKbInput = creditsPerKbInput
        self.creditsPerKbOutput = creditsPerKbOutput
        self.rateLimitPerMin = rateLimitPerMin
        self.timeoutMs = timeoutMs
    }
}
