// GET and POST /admin/concurrency: how many calls are open in the cluster, and how many may be (F-CONC-01).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readConcurrency = Endpoint(
        .get, "/admin/concurrency", "Read how many calls are open on all nodes, and how many may be.", for: .atLeast(.viewer),
        answer: ["limits": .concurrencyLimits, "snapshot": OpenCallCounts.schema],
        using: { (store: $0.store, keys: $0.keys, reload: $0.reload, rules: $0.ruleBook) }
    ) { _, parts in
        await parts.reload.follow()
        let counts = try await OpenCallCounts(OpenCalls(reading: parts.store), parts.rules.rules, parts.keys)
        return ["limits": parts.rules.rules.concurrencyLimits, "snapshot": counts.json]
    }

    static let setConcurrency = Endpoint(
        .post, "/admin/concurrency",
        "Set how many calls may be open at once, on every node and for good; null leaves it to the configuration again.",
        for: .atLeast(.admin), body: [Field.perKey, Field.perTool], answer: ["limits": .concurrencyLimits],
        audits: ["concurrency.updated"], using: { (reload: $0.reload, rules: $0.ruleBook) }
    ) { request, parts in
        let (perKey, perTool) = (try request[.perKey], try request[.perTool])
        let changes = [(Field.perKey.name, perKey.text), (Field.perTool.name, perTool.text)].filter { $0.1 != nil }
        if !changes.isEmpty {
            let audit = request.audit(
                "Limits of open calls changed", [Field.perKey.name: perKey.text ?? "", Field.perTool.name: perTool.text ?? ""])
            try await parts.reload.set(changes.map(\.0), Operation(audit: audit)) { overrides in
                perKey.apply(to: &overrides.maxInFlightPerKey)
                perTool.apply(to: &overrides.maxInFlightPerTool)
            }
        } else {
            await parts.reload.follow()
        }
        return ["limits": parts.rules.rules.concurrencyLimits]
    }
}

extension GateRules {
    fileprivate var concurrencyLimits: JSONObject {
        .of([Field.perKey.name: maxInFlightPerKey, Field.perTool.name: maxInFlightPerTool])
    }
}

extension Schema {
    fileprivate static let concurrencyLimits: Schema = [
        Field.perKey.name: .integer.described("0 for any number."), Field.perTool.name: .integer.described("0 for any number."),
    ]
}

/// The open calls as an operator sees them.
private struct OpenCallCounts {
    let json: JSONObject

    /// Rows that a list shows; those with the most calls are shown.
    private static let most = 1000

    static let schema: Schema = [
        "byKey": .map(of: .integer).described("By the masked key."), "byTool": .map(of: .integer),
        "byKeyTool": .map(of: .integer).described("By the masked key, a colon and the tool."), "totalInflight": .integer,
        "truncated": .boolean.described("Whether there are more than are counted or shown."),
    ]

    init(_ open: OpenCalls, _ rules: GateRules, _ keys: KeyDirectory) async throws {
        let rows = open.rows.sorted { ($0.value, $1.key.key, $1.key.tool) > ($1.value, $0.key.key, $0.key.tool) }.prefix(Self.most)
        let ids = Array(Set(rows.map(\.key.key)))
        let masks = Dictionary(try await keys.records.read(ids).map { ($0.id, $0.masked) }, uniquingKeysWith: { first, _ in first })
        var (byKey, byTool, byKeyTool): ([String: Int], [String: Int], [String: Int]) = ([:], [:], [:])
        for (row, count) in rows {
            let mask = masks[row.key] ?? row.key
            byKey[mask, default: 0] += count
            byTool[row.tool, default: 0] += count
            byKeyTool["\(mask):\(row.tool)", default: 0] += count
        }
        let isCut = open.isCut || open.rows.count > Self.most || open.tools.count > Self.most
        // Where tools have a cap their meters say more: a batch counts with each of its tools.
        if rules.maxInFlightPerTool > 0 {
            byTool = Dictionary(
                uniqueKeysWithValues: open.tools.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(Self.most).map {
                    ($0.key, $0.value)
                })
        }
        json = .of([
            "byKey": byKey, "byTool": byTool, "byKeyTool": byKeyTool, "totalInflight": open.total, "truncated": isCut,
        ])
    }
}

extension Edit where Value == Int {
    /// What the audit log says; nil where nothing changes.
    fileprivate var text: String? {
        switch self {
        case .unchanged: nil
        case .cleared: "as configured"
        case .set(let value): String(value)
        }
    }

    fileprivate func apply(to value: inout Int?) {
        switch self {
        case .unchanged: break
        case .cleared: value = nil
        case .set(let new): value = new
        }
    }
}

extension Field where Value == Edit<Int> {
    fileprivate static let perKey = Field<Int>(
        "maxConcurrentPerKey", .integer(0...Credits.operationCeiling), "Open calls that a key may have at once; 0 for any number."
    ).clearable
    fileprivate static let perTool = Field<Int>(
        "maxConcurrentPerTool", .integer(0...Credits.operationCeiling),
        "Open calls that a tool may have at once, whoever makes them; 0 for any number."
    ).clearable
}
