// What refusals say of a price is what the price list says.

import GateDomain
import Testing

@testable import GateNode

@Suite("Texts of prices")
struct PriceTextsTests {
    private func rules(version: Int, credits: Int) -> GateRules {
        GateRules(version: version, prices: PriceBook(defaultPerCall: credits, tools: ["own": ToolPrice(creditsPerCall: 9)]))
    }

    private func written(_ tool: String, _ rules: GateRules) -> [UInt8] {
        var text: [UInt8] = []
        PriceList.append(rules.prices.row(for: tool), to: &text)
        return text
    }

    @Test("A row is the one of the price list, by whichever rules it is asked for, however many names are asked for, and however long")
    func rows() {
        var texts = PriceTexts()
        for round in 0..<3 {
            let rules = rules(version: round, credits: round + 1)
            for tool in ["own", "other", String(repeating: "x", count: 4000)] + (0..<200).map({ "t\($0)" }) + ["own", "other"] {
                #expect(texts.text(for: tool, by: rules) == written(tool, rules))
            }
        }
    }
}
