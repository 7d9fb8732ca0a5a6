// Prices as clients read them: in lists of tools, in refusals, on the price page.

import GateDomain
import GateValues
import MCPWire

/// Prices as clients read them (F-REG-01).
enum PriceList {
    static func row(_ row: PriceRow) -> JSONValue { .object(PriceRow.view.json(row)) }

    /// Adds the same as JSON text.
    static func append(_ row: PriceRow, to output: inout [UInt8]) { PriceRow.view.append(row, to: &output) }
}

extension PriceRow {
    /// As price lists and `_pricing` show it (F-REG-01).
    static let view = View<PriceRow>([
        .text("name", \.name), .credits("creditsPerCall", \.creditsPerCall), .credits("creditsPerKbInput", \.creditsPerKbInput),
        .credits("creditsPerKbOutput", \.creditsPerKbOutput), .integer("rateLimitPerMin", \.rateLimitPerMin),
        .choice("pricingModel", ["flat", "dynamic"], \.pricingModel), .flag("isFree", \.isFree),
    ])
}

/// Rows of the price list as JSON text, each written once: refusals show one, and have to be cheap whoever asks for them.
struct PriceTexts {
    private var texts: [ExactText: [UInt8]] = [:]
    /// Of the rules that they were written by.
    private var version: Int?

    private static let capacity = 64
    private static let longestName = 128

    mutating func text(for tool: String, by rules: GateRules) -> [UInt8] {
        if version != rules.version { (texts, version) = ([:], rules.version) }
        if let text = texts[ExactText(tool)] { return text }
        var text: [UInt8] = []
        PriceList.append(rules.prices.row(for: tool), to: &text)
        if texts.count >= Self.capacity { texts.removeAll(keepingCapacity: true) }
        if tool.utf8.count <= Self.longestName { texts[ExactText(tool)] = text }
        return text
    }
}
