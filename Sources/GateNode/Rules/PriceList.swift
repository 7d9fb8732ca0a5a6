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
