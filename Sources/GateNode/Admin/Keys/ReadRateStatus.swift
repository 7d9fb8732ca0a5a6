// GET /keys/rate-limit-status: what the windows of a key hold, without using anything of them (F-RATE-01, F-RATE-02).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readRateStatus = Endpoint(
        .get, "/keys/rate-limit-status", "Read how many calls a minute a key has left; nothing is used up.", for: .atLeast(.viewer),
        query: [Field.key],
        answer: [
            "key": .string, "name": .string, "global": RateUse.global.schema.described("Its limit is 0 where there is none."),
            "perTool": Schema.map(of: RateUse.window.schema).maybe.described("Of the tools that have a limit of their own."),
        ],
        failures: [.notFound], using: { (keys: $0.keys, rules: $0.ruleBook) }
    ) { request, parts in
        let key = try await request.target(in: parts.keys, revoked: true)
        let use = try await RateUse.read(of: key, in: parts.keys, rules: parts.rules.rules)
        var answer: JSONObject = .of([
            "key": key.masked, "name": key.name, "global": RateUse.global.json(use.key),
        ])
        if !use.tools.isEmpty {
            answer["perTool"] = JSONObject(use.tools.map { ($0.tool, RateUse.window.json($0.reading).json) }).json
        }
        return EndpointResponse(json: .object(answer))
    }
}

/// What the rolling windows of a key hold.
struct RateUse: Sendable {
    /// Of all its calls; nil where nothing limits them.
    let key: WindowReading?
    /// In the order of the tools' names.
    let tools: [(tool: String, reading: WindowReading)]

    static func read(of key: KeyRecord, in keys: KeyDirectory, rules: GateRules) async throws -> RateUse {
        let readings = try await keys.windows(of: key.id, Policy(key: key, rules: rules).allLimits)
        let tools = readings.compactMap { reading in
            if case .tool(let tool) = reading.limit.subject { (tool, reading) } else { nil }
        }
        return RateUse(key: readings.first { $0.limit.subject == .key }, tools: tools.sorted { $0.0 < $1.0 })
    }

    /// How much of the key's window is used, 0 to 1.
    var share: Double { key.map { min(1, Double($0.used) / Double($0.limit.cap)) } ?? 0 }

    static let window = View<WindowReading>([
        .integer("limit", \.limit.cap), .integer("used", \.used), .integer("remaining", \.remaining),
        .integer("resetInMs") { ($0.reset + 999) / 1000 },
    ])

    static let global = View<WindowReading?>([
        .integer("limit") { $0?.limit.cap ?? 0 }, .integer("used") { $0?.used ?? 0 }, .integer("remaining") { $0?.remaining ?? 0 },
        .integer("resetInMs") { (($0?.reset ?? 0) + 999) / 1000 }, .integer("windowMs") { _ in Limit.minute / 1000 },
    ])
}
