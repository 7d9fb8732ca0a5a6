// GET /keys/expiring: the keys that stop working soon, the soonest first.

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let expiringKeys = Endpoint(
        .get, "/keys/expiring", "List the keys that expire within some time, the soonest first; expired and revoked ones are left out.",
        for: .atLeast(.viewer), query: [Field.within],
        answer: [
            "within": .integer, "count": .integer.described("Of all of them; at most \(KeyQuery.longest) are shown."),
            "scanner": [
                "enabled": .boolean.described("Whether anybody is told before a key expires."), "intervalSeconds": .integer,
                "thresholds": .list(of: .integer), "notifiedCount": .integer,
            ],
            "keys": .list(of: ExpiringKey.view.schema),
        ], using: { (keys: $0.keys, scanner: $0.settings.expiryScanner) }
    ) { request, parts in
        let (keys, scanner) = parts
        let (within, now) = (try request[.within], request.now)
        let found = try await keys.records.ids(in: KeyRecord.expiring, from: now + 1, to: now + within * 1000, count: KeyQuery.longest)
        let warned = try await ExpiryWarnings(keys, thresholds: scanner.thresholds, interval: scanner.intervalSeconds).count()
        let expiring = try await keys.records.read(found.ids).compactMap { key in
            key.expiresAt.map { ExpiringKey(key: key, expiresAt: $0, remaining: max(0, $0 - now) / 1000) }
        }
        return [
            "within": within, "count": found.total,
            "scanner": JSONObject([
                ("enabled", .bool(scanner.isEnabled)), ("intervalSeconds", .int(Int64(scanner.intervalSeconds))),
                ("thresholds", .array(scanner.thresholds.map { .int(Int64($0)) })), ("notifiedCount", .int(Int64(warned))),
            ]), "keys": expiring.map(ExpiringKey.view.json),
        ]
    }
}

/// A key that expires.
private struct ExpiringKey: Sendable {
    let key: KeyRecord
    /// Milliseconds since 1970.
    let expiresAt: Int
    /// Seconds.
    let remaining: Int

    static let view = View<ExpiringKey>([
        .text("id", \.key.id), .text("keyPrefix", \.key.prefix), .text("name", \.key.name), .text("alias", \.key.alias).maybe,
        .text("namespace", \.key.namespace), .time("expiresAt", \.expiresAt), .integer("remainingSeconds", \.remaining),
        .text("remainingHuman") { words(of: $0.remaining) }, .flag("suspended") { $0.key.state == .suspended },
    ])

    /// The two largest units: `2d 3h`, `5m 10s`.
    private static func words(of seconds: Int) -> String {
        let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        let shown = units.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }
        return shown.isEmpty ? "0s" : shown.joined(separator: " ")
    }
}

extension Field where Value == Int {
    fileprivate static let within = Field("within", .integer(1...Credits.operationCeiling), "Seconds from now.").default(86_400)
}
