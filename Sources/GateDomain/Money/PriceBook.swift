// What a call costs: a pure function of the tool and the sizes.

/// The prices of a gate: one default and what single tools have of their own (F-PRICE-01 to F-PRICE-06).
package struct PriceBook: Sendable {
    private let defaultPerCall: Int
    private let tools: [ExactText: ToolPrice]

    package init(defaultPerCall: Int, tools: [String: ToolPrice]) {
        self.defaultPerCall = defaultPerCall
        self.tools = Dictionary(uniqueKeysWithValues: tools.map { (ExactText($0), $1) })
    }

    /// The credits that a call takes before it is forwarded: base + ceil(max(1, KB in) x per KB).
    /// - Parameter argumentBytes: size of the compact JSON of the arguments; 0 when the call has none, which costs no surcharge (F-PRICE-04).
    package func price(of tool: String, argumentBytes: Int) -> Int {
        guard let own = tools[ExactText(tool)] else { return defaultPerCall }
        let base = own.creditsPerCall ?? defaultPerCall
        guard own.creditsPerKbInput > 0, argumentBytes > 0 else { return base }
        return base + Self.perKilobyte(own.creditsPerKbInput, bytes: max(1024, argumentBytes))
    }

    /// The credits for the size of an answer: ceil(KB out x per KB); billed after the response as far as the balance goes (F-PRICE-05).
    package func surcharge(of tool: String, answerBytes: Int) -> Int {
        guard let own = tools[ExactText(tool)], own.creditsPerKbOutput > 0 else { return 0 }
        return Self.perKilobyte(own.creditsPerKbOutput, bytes: answerBytes)
    }

    /// The price row of a tool, with the defaults filled in.
    package func row(for tool: String) -> PriceRow {
        let own = tools[ExactText(tool)]
        return PriceRow(
            name: tool, creditsPerCall: own?.creditsPerCall ?? defaultPerCall, creditsPerKbInput: own?.creditsPerKbInput ?? 0,
            creditsPerKbOutput: own?.creditsPerKbOutput ?? 0, rateLimitPerMin: own?.rateLimitPerMin ?? 0
        )
    }

    private static func perKilobyte(_ credits: Int, bytes: Int) -> Int {
        min(Credits.balanceCeiling, (bytes * credits + 1023) / 1024)
    }
}

/// One line of a price list, as `/pricing` and `_pricing` show it (F-REG-01).
package struct PriceRow: Sendable, Equatable {
    /// The tool's, with its prefix where there are several servers.
    package let name: String
    /// Credits for a call of any size.
    package let creditsPerCall: Int
    /// Credits for a KiB of arguments; the sum is rounded up, and less than a KiB counts as one (F-PRICE-04).
    package let creditsPerKbInput: Int
    /// Credits for a KiB of a result; the sum is rounded up (F-PRICE-05).
    package let creditsPerKbOutput: Int
    /// 0 for none of its own.
    package let rateLimitPerMin: Int

    /// A tool that costs nothing and has no limit of its own.
    package static func free(_ name: String) -> PriceRow {
        PriceRow(name: name, creditsPerCall: 0, creditsPerKbInput: 0, creditsPerKbOutput: 0, rateLimitPerMin: 0)
    }

    /// `dynamic` when the size of the call counts (F-PRICE-10).
    package var pricingModel: String { creditsPerKbInput > 0 || creditsPerKbOutput > 0 ? "dynamic" : "flat" }
    /// Whether no call of it ever costs anything.
    package var isFree: Bool { creditsPerCall == 0 && creditsPerKbInput == 0 && creditsPerKbOutput == 0 }
}
