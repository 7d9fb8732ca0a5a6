// GET /keys/health, /keys/compare and /keys/dashboard: how keys stand, one or several at a glance.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readKeyHealth = Endpoint(
        .get, "/keys/health", "Judge how well a key is: what its balance, quota, window and refusals come to, 0 to 100.",
        for: .atLeast(.viewer), query: [Field.key],
        answer: [
            "key": .string, "name": .string, "score": .integer(0...100), "status": .string, "issues": .list(of: .string),
            "components": Schema(members: KeyHealth.names.map { ($0, KeyHealth.Component.view.schema) }),
        ],
        failures: [.notFound, .serviceUnavailable], using: \.standings
    ) { request, parts in
        let key = try await request.target(in: parts.keys, revoked: true)
        let health = KeyHealth(of: try await KeyStanding.read([key], parts, at: request.now)[0])
        return [
            "key": key.masked, "name": key.name, "score": health.score, "status": health.status, "issues": health.issues,
            "components": JSONObject(health.components.map { ($0.name, KeyHealth.Component.view.json($0).json) }),
        ]
    }

    static let compareKeys = Endpoint(
        .get, "/keys/compare", "Show 2 to 10 keys beside each other, whatever their states.", for: .atLeast(.viewer),
        query: [Field.comparedKeys],
        answer: [
            "compared": .integer, "keys": .list(of: KeyStanding.compared.schema),
            "notFound": Schema.list(of: .string).maybe.described(
                "What there is none of: a secret masked, anything else by its place in the list, as #3."),
        ],
        failures: [.serviceUnavailable], using: \.standings
    ) { request, parts in
        var (keys, missing): ([KeyRecord], [String]) = ([], [])
        for (place, reference) in try request[.comparedKeys].enumerated() {
            guard let key = try await parts.keys.find(reference) else {
                // What nobody knows may be a secret all the same.
                missing.append(reference.hasPrefix(Credential.prefix) ? Credential.longMask(reference) : "#\(place + 1)")
                continue
            }
            if !keys.contains(where: { $0.id == key.id }) { keys.append(key) }
        }
        let standings = try await KeyStanding.read(keys, parts, at: request.now)
        var answer: JSONObject = .of(["compared": standings.count, "keys": standings.map(KeyStanding.compared.json)])
        if !missing.isEmpty { answer["notFound"] = missing.json }
        return EndpointResponse(json: .object(answer))
    }

    static let keyDashboard = Endpoint(
        .get, "/keys/dashboard", "Show all that matters of a key, whatever its state.", for: .atLeast(.viewer), query: [Field.key],
        answer: KeyDashboard.view.schema, failures: [.notFound, .serviceUnavailable], using: \.standings
    ) { request, parts in
        let key = try await request.target(in: parts.keys, revoked: true)
        let standing = try await KeyStanding.read([key], parts, at: request.now)[0]
        let trail = try await parts.events.trail(of: key, most: KeyDashboard.recent, isShort: true)
        return EndpointResponse(KeyDashboard.view, KeyDashboard(standing: standing, recent: trail.events))
    }
}

extension AdminParts {
    fileprivate var standings: KeyStanding.Parts { (keys, ruleBook, rollupBook, events) }
}

extension KeyHealth {
    fileprivate static let names = ["balance", "quota", "rateLimit", "errorRate"]
}

extension KeyStanding {
    fileprivate static let compared = View<KeyStanding>([
        .text("key", \.key.masked), .text("name", \.key.name), .text("status", \.status),
        .object("credits", View([.credits("current", \.account.credits), .credits("totalSpent", \.account.spent)]), \.self),
        .object(
            "usage",
            View([
                .integer("totalCalls", \.calls.all.total), .integer("totalAllowed", \.calls.all.allowed),
                .integer("totalDenied", \.calls.all.denied),
            ]), \.self
        ).described("Of the last \(KeyCalls.days) days."),
        .object(
            "velocity", View(velocity + [.integer("estimatedHoursRemaining") { $0.hoursLeft.map { Int(clamping: $0) } }]), \.self),
        .object(
            "rateLimit",
            View([
                .integer("used") { $0.rate.key?.used ?? 0 }, .integer("limit") { $0.rate.key?.limit.cap ?? 0 },
                .integer("remaining") { $0.rate.key?.remaining ?? 0 },
            ]), \.self),
        .object(
            "metadata",
            View([
                .text("namespace", \.key.namespace), .text("group") { _ in String?.none }, .time("createdAt", \.key.createdAt),
                .tags("tags", \.key.tags),
            ]), \.self),
    ])

    /// By the last 24 hours.
    fileprivate static let velocity: [View<KeyStanding>.Member] = [
        .of("creditsPerHour", .number) { Measure.Number(units: $0.centsPerHour, decimals: 2).json },
        .of("creditsPerDay", .number) { Measure.Number(units: $0.centsPerHour, decimals: 2).times(24).json },
    ]
}

/// What `GET /keys/dashboard` shows.
private struct KeyDashboard: Sendable {
    /// Events that are shown.
    static let recent = 10

    let standing: KeyStanding
    let recent: [KeyEvent]

    private var health: KeyHealth { KeyHealth(of: standing) }

    private var depletion: Int? {
        standing.hoursLeft.flatMap { hours in
            // What is further away than a hundred years is no date.
            hours < 876_000 ? standing.readAt + Int(hours * Double(KeyCalls.hour)) : nil
        }
    }

    static let view = View<KeyDashboard>([
        .text("key", \.standing.key.masked), .text("name", \.standing.key.name), .text("status", \.standing.status),
        .text("namespace", \.standing.key.namespace), .object("balance", balance, \.standing),
        .object("health", View([.integer("score", \.health.score), .text("status", \.health.status)]), \.self),
        .object(
            "velocity",
            View<KeyDashboard>([]).including(View(KeyStanding.velocity), \.standing).including(
                View<KeyDashboard>([.time("estimatedDepletionDate", \.depletion)]), \.self), \.self),
        .object("rateLimits", View([.object("global", RateUse.global, \.rate.key)]), \.standing),
        .object("quotas", quotas, \.standing.quota),
        .object("usage", usage, \.standing.calls.all).described("Of the last \(KeyCalls.days) days."),
        .list("recentActivity", recentEvent, \.recent), .text("group") { _ in String?.none }, .time("createdAt", \.standing.key.createdAt),
        .time("expiresAt", \.standing.key.expiresAt), .tags("tags", \.standing.key.tags),
    ])

    private static let balance = View<KeyStanding>([
        .credits("credits", \.account.credits), .credits("heldCredits", \.account.held), .credits("totalSpent", \.account.spent),
        .credits("totalAllocated") { $0.account.credits + $0.account.held + $0.account.spent },
        .credits("spendingLimit", \.key.spendingLimit),
    ])

    private static let quotas = View<QuotaUse>([
        .choice("source", \.source),
        .object(
            "daily", View([.integer("callsUsed", \.used.dailyCalls), .integer("callsLimit", \.quota.dailyCalls)]), \.self),
        .object(
            "monthly", View([.integer("callsUsed", \.used.monthlyCalls), .integer("callsLimit", \.quota.monthlyCalls)]), \.self),
    ])

    private static let usage = View<KeyCalls.Sum>([
        .integer("totalCalls", \.total), .integer("totalAllowed", \.allowed), .integer("totalDenied", \.denied),
        .credits("totalCredits", \.credits),
    ])

    private static let recentEvent = View<KeyEvent>([
        .time("timestamp", \.time), .text("event", \.type), .text("tool", \.tool).maybe, .credits("credits", \.credits).maybe,
    ])
}

extension Int {
    /// The whole number that a fraction has in front of its point, as near as there is one.
    fileprivate init(clamping number: Double) {
        self = number < 1e15 ? Int(number) : 1_000_000_000_000_000
    }
}

extension Field where Value == [String] {
    fileprivate static let comparedKeys = Field(
        "keys",
        ValueKind<[String]>(
            Schema.string.described("2 to 10 keys, ids or aliases, with commas between them.")
                .with("pattern", "^[^,]+(,[^,]+){1,9}$")
        ) { json throws(ValueFault) in
            let keys = (json.stringValue ?? "").commaSeparatedParts
            guard (2...10).contains(keys.count), keys.allSatisfy({ $0.utf8.count <= 500 }) else {
                throw ValueFault("Must be 2 to 10 keys, ids or aliases, with commas between them.")
            }
            return keys
        }, "Which keys.")
}
