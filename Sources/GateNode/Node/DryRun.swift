// `--dry-run`: what the gate would charge, as a table or as JSON.

import GateDomain
import GateSettings
import MCPUpstream
import MCPWire

enum DryRun {
    static func print(_ node: Node) {
        let rows = node.upstreams.tools.map { node.rules.prices.row(for: $0) }
        if node.settings.json {
            let report: JSONValue = [
                "name": .string(node.settings.name), "defaultCreditsPerCall": .int(Int64(node.settings.defaultCreditsPerCall)),
                "globalRateLimitPerMin": .int(Int64(node.settings.globalRateLimitPerMin)), "tools": .array(rows.map(PriceList.row)),
            ]
            return StandardStream.output(report.text)
        }
        StandardStream.output(
            "\(node.settings.name): \(rows.count) tools, \(node.settings.defaultCreditsPerCall) credits a call by default, \(perMinute(node.settings.globalRateLimitPerMin))"
        )
        let width = max(4, rows.map(\.name.count).max() ?? 4)
        StandardStream.output("TOOL".padded(to: width) + "  CREDITS  PER KB IN  PER KB OUT  RATE")
        for row in rows {
            let cells = [
                String(row.creditsPerCall).padded(to: 7), String(row.creditsPerKbInput).padded(to: 9),
                String(row.creditsPerKbOutput).padded(to: 10),
            ]
            StandardStream.output(row.name.padded(to: width) + "  " + cells.joined(separator: "  ") + "  " + perMinute(row.rateLimitPerMin))
        }
    }

    private static func perMinute(_ limit: Int) -> String { limit == 0 ? "no limit" : "\(limit)/min" }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
