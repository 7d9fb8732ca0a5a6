// GET /keys/stats and GET /namespaces: how many keys there are, in which states, and what they hold.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let keyStats = Endpoint(
        .get, "/keys/stats", "Count keys by their states, and what they hold and have spent; of many keys a moment behind.",
        for: .atLeast(.viewer), query: [Field.statsNamespace],
        answer: [
            "total": .integer, "active": .integer, "suspended": .integer, "expired": .integer, "revoked": .integer,
            "totalCreditsAllocated": .integer.described("What they hold and what they have spent."), "totalCreditsSpent": .integer,
            "totalCreditsRemaining": .integer, "totalCalls": .integer, "byNamespace": .map(of: .integer), "byGroup": .map(of: .integer),
            "filteredByNamespace": .string.maybe, "asOf": .time.described("What had happened by then is counted."),
        ],
        failures: [.serviceUnavailable], using: \.keys
    ) { request, keys in
        let namespace = try request[.statsNamespace]?.lowercased()
        let count = try await request.count(of: keys)
        let tally = namespace.map { count.namespaces[$0] ?? KeyTally() } ?? count.all
        let namespaces = count.namespaces.filter { namespace == nil || $0.key == namespace }
        var answer = JSONObject.of([
            "total": tally.total, "active": tally.active, "suspended": tally.suspended, "expired": tally.expired, "revoked": tally.revoked,
            "totalCreditsAllocated": tally.credits.saturating(adding: tally.spent), "totalCreditsSpent": tally.spent,
            "totalCreditsRemaining": tally.credits,
            "totalCalls": tally.calls, "byNamespace": namespaces.mapValues(\.total), "byGroup": JSONObject(),
            "asOf": Timestamp.text(milliseconds: count.asOf),
        ])
        answer["filteredByNamespace"] = namespace.map(JSONValue.string)
        return EndpointResponse(json: .object(answer))
    }

    static let namespaces = Endpoint(
        .get, "/namespaces", "List the namespaces with their keys; of many keys a moment behind.", for: .atLeast(.viewer),
        answer: [
            "namespaces": .list(
                of: [
                    "namespace": .string, "keyCount": .integer, "activeKeys": .integer.described("Those that are not revoked."),
                    "totalCredits": .integer, "totalSpent": .integer,
                ]), "count": .integer, "asOf": .time.described("What had happened by then is counted."),
        ],
        failures: [.serviceUnavailable], using: \.keys
    ) { request, keys in
        let count = try await request.count(of: keys)
        let namespaces = count.namespaces.sorted { $0.key < $1.key }
        return [
            "namespaces": namespaces.map { name, tally in
                JSONObject.of([
                    "namespace": name, "keyCount": tally.total, "activeKeys": tally.total - tally.revoked, "totalCredits": tally.credits,
                    "totalSpent": tally.spent,
                ])
            }, "count": namespaces.count, "asOf": Timestamp.text(milliseconds: count.asOf),
        ]
    }
}

extension EndpointRequest {
    fileprivate func count(of keys: KeyDirectory) async throws -> KeyCount {
        guard let count = try await KeyTotals.count(keys, at: now) else { throw HTTPFailure.keysAreBeingCounted }
        return count
    }
}

extension HTTPFailure {
    /// Until the sums of an older store have gone through all keys once.
    static let keysAreBeingCounted = HTTPFailure(.serviceUnavailable, "The keys are being counted. Try again.").retryable(after: 5)
}

extension Field where Value == String? {
    fileprivate static let statsNamespace = Field<String>("namespace", .text(upTo: 50), "Keys of this namespace.").optional
}
