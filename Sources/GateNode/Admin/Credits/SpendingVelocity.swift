// GET /keys/spending-velocity: how fast a key spends, and for how long its balance lasts (F-CREDIT-12).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let spendingVelocity = Endpoint(
        .get, "/keys/spending-velocity",
        "Tell how fast the calls of a key spend credits, and when they will have spent all; by hourly sums, which follow within about a second.",
        for: .atLeast(.viewer), query: [Field.key, Field.velocityWindow], answer: SpendingVelocity.view.schema,
        failures: [.notFound, .serviceUnavailable], using: { (keys: $0.keys, sums: $0.rollupBook) }
    ) { request, parts in
        let key = try await request.target(in: parts.keys, revoked: true)
        let (window, now) = (try request[.velocityWindow], request.now)
        let tools: [SpendingVelocity.Tool]
        let since: Int?
        do { (tools, since) = try await SpendingVelocity.read(of: key.id, in: parts.sums, hours: window, at: now) } catch is RollupExcess {
            throw HTTPFailure(
                .serviceUnavailable, "That window has more hourly sums than are gone through for one key; ask for a shorter one.")
        }
        let account = try await parts.keys.account(key.id)
        return EndpointResponse(
            SpendingVelocity.view,
            SpendingVelocity(key: key, account: account, tools: tools, spentSince: since, window: window, readAt: now))
    }
}

/// What the calls of a key in some hours have cost.
struct SpendingVelocity: Sendable {
    /// What calls of one tool have come to.
    struct Tool: Sendable, Equatable {
        let name: String
        var calls = 0
        var credits = 0
    }

    let key: KeyRecord
    let account: Account
    /// Those that were called, the one that has cost most first.
    let tools: [Tool]
    /// Milliseconds since 1970: the beginning of the first hour that has cost anything.
    let spentSince: Int?
    /// Hours up to now.
    let window: Int
    /// Milliseconds since 1970 of Redis TIME.
    let readAt: Int

    private static let hour = 3_600_000
    private static let shownTools = 5

    private var calls: Int { tools.reduce(0) { $0 + $1.calls } }
    private var credits: Int { tools.reduce(0) { $0.saturating(adding: $1.credits) } }

    /// Milliseconds over which it was spent: an hour at least, so that one call does not look like a flood.
    private var span: Int {
        guard let spentSince else { return window * Self.hour }
        return min(window * Self.hour, max(Self.hour, readAt - max(spentSince, key.createdAt)))
    }

    private func perHour(_ count: Int) -> Measure.Number { .quotient(count, by: span, times: Self.hour, decimals: 2) }

    private var hoursLeft: Double? {
        credits > 0 ? Double(account.credits) / (Double(credits) * Double(Self.hour) / Double(span)) : nil
    }

    /// What is further away than a hundred years is no date.
    private var depletion: Int? {
        hoursLeft.flatMap { $0 < 876_000 ? readAt + Int($0 * Double(Self.hour)) : nil }
    }

    /// The calls of a key by tool, and since when they have cost anything.
    /// - Throws: `StoreFailure`, `RollupExcess`.
    static func read(of id: String, in book: RollupBook, hours: Int, at now: Int) async throws -> ([Tool], Int?) {
        let present = now / hour
        return try await book.read(from: (present - hours + 1) * hour, to: now + 1) { table in
            var (tools, since) = ([Int: Tool](), Int?.none)
            guard let place = table.names.keys.firstIndex(where: { $0.hasSameBytes(as: id) }) else { return ([], nil) }
            for part in table.hours {
                for row in part.rows where Int(row.key) == place && table.names.kinds[Int(row.kind)].outcome != .denied {
                    let number = Int(row.tool)
                    var tool = tools[number] ?? Tool(name: table.names.tools[number])
                    tool.calls += Int(row.sum.calls)
                    tool.credits = tool.credits.saturating(adding: row.sum.credits)
                    tools[number] = tool
                    if row.sum.credits > 0 { since = min(since ?? .max, part.hour * hour) }
                }
            }
            return (tools.values.sorted { ($1.credits, $1.calls, $0.name) < ($0.credits, $0.calls, $1.name) }, since)
        }
    }

    static let view = View<SpendingVelocity>([
        .text("key", \.key.masked), .text("name", \.key.name), .credits("currentBalance", \.account.credits),
        .object("velocity", velocity, \.self), .list("topTools", tool) { Array($0.tools.prefix(shownTools)) },
    ])

    private static let velocity = View<SpendingVelocity>([
        .of("creditsPerHour", .number) { $0.perHour($0.credits).json },
        .of("creditsPerDay", .number) { $0.perHour($0.credits).times(24).json },
        .of("callsPerHour", .number) { $0.perHour($0.calls).json },
        .of("callsPerDay", .number) { $0.perHour($0.calls).times(24).json },
        .time("estimatedDepletionDate", \.depletion), .integer("estimatedHoursRemaining") { $0.hoursLeft.map { Int(min($0, 1e15)) } },
        .integer("windowHours", \.window), .integer("dataPoints", \.calls).described("Calls that were let in."),
    ])

    private static let tool = View<Tool>([.text("tool", \.name), .integer("calls", \.calls), .credits("credits", \.credits)])
}

extension Field where Value == Int {
    fileprivate static let velocityWindow = Field("window", .integer(1...720), "Hours up to now.").default(24)
}
