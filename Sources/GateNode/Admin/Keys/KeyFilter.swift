// What a list of keys may be narrowed down by; a list's filter is its fields.

import ClusterState
import GateDomain
import GateValues

/// Conditions that a key has to meet, all of them.
struct KeyFilter: Sendable {
    /// Lists that it has to stand in.
    let lists: [String]
    private let namespace: String?
    private let conditions: [@Sendable (KeySnapshot) -> Bool]

    private static let namespace = Field("namespace", .text(upTo: 50), "Keys of this namespace.").optional
    private static let active = Field("active", .flag, "Keys that are not revoked, or that are.").optional
    private static let suspended = Field("suspended", .flag, "Keys that are suspended, or that are not.").optional
    private static let expired = Field("expired", .flag, "Keys that have expired, or that have not.").optional
    private static let namePrefix = Field("namePrefix", .text(upTo: 200), "Keys whose name begins so, in any case.").optional
    private static let minCredits = Field("minCredits", .number, "Keys with at least so many credits.").optional
    private static let maxCredits = Field("maxCredits", .number, "Keys with at most so many credits.").optional
    private static let group = Field.later("group")

    static let fields: [any DeclaredField] = [namespace, group, active, suspended, expired, namePrefix, minCredits, maxCredits]

    init(_ request: EndpointRequest) throws {
        namespace = try request[Self.namespace]?.lowercased()
        var conditions: [@Sendable (KeySnapshot) -> Bool] = []
        var lists = namespace.map { [KeyRecord.list(ofNamespace: $0)] } ?? []
        if let wanted = try request[Self.active] { lists.append(wanted ? KeyRecord.living : KeyRecord.revoked) }
        switch try request[Self.suspended] {
        case true: lists.append(KeyRecord.suspended)
        case false: conditions.append { key in key.record.state != .suspended }
        case nil: break
        }
        if let wanted = try request[Self.expired] {
            if wanted { lists.append(KeyRecord.ending) }
            conditions.append { key in key.record.isExpired(at: key.readAt) == wanted }
        }
        if let prefix = try request[Self.namePrefix]?.lowercased() {
            conditions.append { key in key.record.name.lowercased().hasPrefix(prefix) }
        }
        if let least = try request[Self.minCredits] { conditions.append { key in Double(key.account.credits) >= least } }
        if let most = try request[Self.maxCredits] { conditions.append { key in Double(key.account.credits) <= most } }
        self.conditions = conditions
        self.lists = lists
    }

    /// Whether its lists say all of it.
    var isListed: Bool { conditions.isEmpty }

    /// Whether anything besides the namespace was asked for.
    var asksForMore: Bool { !conditions.isEmpty || lists.count > (namespace == nil ? 0 : 1) }

    /// Whether a key that stands in its lists is one of those that were asked for.
    func admits(_ key: KeySnapshot) -> Bool {
        conditions.allSatisfy { $0(key) }
    }
}
