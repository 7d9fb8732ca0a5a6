// POST /keys/quota: what a key may do a UTC day and month (F-QUOTA-01 to F-QUOTA-03).

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let setKeyQuota = Endpoint(
        .post, "/keys/quota", "Set the whole quota of a key, or remove it, so that the gate's own holds; a limit that is left out is none.",
        for: .atLeast(.admin),
        body: [Field.key] + Field.quotaLimits.map(\.field) + [Field.removesQuota],
        answer: View<(Quota?, String)>([.object("quota", Quota.view, \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.quota_updated"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let isRemoved = try request[.removesQuota]
        var quota = Quota()
        for limit in Field.quotaLimits { quota[keyPath: limit.path] = try request[limit.field] }
        let (set, numbers) = (isRemoved ? nil : quota, Quota.view.json(quota).map { "\($0.name)=\($0.value.text)" }.joined(separator: " "))
        let audit = request.audit("Quota changed", of: key, ["quota": isRemoved ? "removed" : numbers])
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: audit)) { $0.quota = set }
        return (set, isRemoved ? "Quota removed" : "Quota updated")
    }
}

extension Field where Value == Int {
    fileprivate static let quotaLimits = Quota.limits.map { limit in
        (field: Field(limit.name, Quota.kind(of: limit.path), "0 for no limit.").default(0), path: limit.path)
    }
}

extension Field where Value == Bool {
    fileprivate static let removesQuota = Field("remove", .flag, "Removes the key's own quota.").default(false)
}

extension Quota {
    /// Calls are counted in whole numbers; credits are floored (F-PRICE-02). - Parameter limit: where it lies.
    fileprivate static func kind(of limit: AnyKeyPath) -> ValueKind<Int> {
        [\Quota.dailyCredits, \Quota.monthlyCredits].contains(limit)
            ? .credits(0...Credits.operationCeiling) : .integer(0...Credits.operationCeiling)
    }

    static let view = View<Quota>([
        .integer("dailyCallLimit", \.dailyCalls), .integer("monthlyCallLimit", \.monthlyCalls),
        .credits("dailyCreditLimit", \.dailyCredits),
        .credits("monthlyCreditLimit", \.monthlyCredits),
    ])

    /// What has been used of it.
    static let usage = View<Quota>([
        .integer("dailyCalls", \.dailyCalls), .integer("monthlyCalls", \.monthlyCalls), .credits("dailyCredits", \.dailyCredits),
        .credits("monthlyCredits", \.monthlyCredits),
    ])
}

extension ValueKind where Value == Quota {
    /// An object of limits under the names that they have in answers, or the shorter ones that teams have as well (`dailyCalls`).
    static let quota = Self(
        Schema(members: Quota.limits.map { ($0.name, Quota.kind(of: $0.path).schema.maybe) }).described(
            "0 or left out for no limit. Each may be called as in usage, too: dailyCalls.")
    ) { json throws(ValueFault) in
        guard let members = json.objectValue else { throw ValueFault("Must be an object of limits.") }
        let strange = "Its members are \(Quota.limits.map(\.name).joined(separator: ", "))."
        var (quota, named) = (Quota(), Set<Substring>())
        for member in members where !member.value.isNull {
            guard member.name.utf8.count <= 32 else { throw ValueFault(strange) }
            let name = member.name.hasSuffix("s") ? member.name.dropLast() + "Limit" : Substring(member.name)
            guard let path = Quota.limits.first(where: { $0.name == name })?.path else {
                throw ValueFault(strange)
            }
            guard named.insert(name).inserted else { throw ValueFault(at: ".\(member.name)", "Must not be there under both of its names.") }
            quota[keyPath: path] = try Quota.kind(of: path).value(of: member.value, at: ".\(member.name)")
        }
        return quota
    }
}
