// What a check of a store has found, for people and for programs.

import ClusterState
import MCPWire

/// The outcome of `gate-node store check`.
package struct StoreVerdictText: Sendable, Equatable {
    /// Whether all adds up.
    package let isClean: Bool
    /// A line for each finding, and one about all that was read.
    package let lines: String
    /// The same as one line of JSON.
    package let jsonLine: String

    init(_ report: StoreReport) {
        isClean = report.findings.isEmpty
        lines = Self.lines(of: report)
        jsonLine = Self.json(of: report).text
    }

    private static func lines(of report: StoreReport) -> String {
        var lines = report.findings.map { "\($0.subject): \($0.sentence)".printable }
        let count = report.findings.count
        let sum = "\(report.isCut ? "\(count) and more things do" : count == 1 ? "1 thing does" : "\(count) things do") not add up."
        lines.append(
            """
            Read \(report.names) names in \(report.shards) \(report.shards == 1 ? "shard" : "shards"): keys \(report.keys), \
            teams \(report.teams), secrets \(report.credentials), aliases \(report.aliases), open calls \(report.openCalls), \
            calls on record \(report.entries). \(count == 0 ? "All adds up." : sum)
            """)
        return lines.joined(separator: "\n")
    }

    private static func json(of report: StoreReport) -> JSONValue {
        let findings: [JSONValue] = report.findings.map {
            ["rule": .string($0.rule.rawValue), "subject": .string($0.subject), "sentence": .string($0.sentence)]
        }
        func number(_ value: Int) -> JSONValue { .int(Int64(value)) }
        return [
            "clean": .bool(report.findings.isEmpty), "findings": .array(findings), "more": .bool(report.isCut),
            "names": number(report.names), "shards": number(report.shards), "keys": number(report.keys), "teams": number(report.teams),
            "credentials": number(report.credentials), "aliases": number(report.aliases), "openCalls": number(report.openCalls),
            "entries": number(report.entries),
        ]
    }
}

extension String {
    /// Without what a terminal would take for an order: anybody who writes to the store may have put it there.
    fileprivate var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) ? "?" : $0 }))
    }
}
