// What a list of keys may be narrowed down by; a list's filter is its fields.

import ClusterState
import GateDomain
import GateValues

/// Conditions that a key has to meet, all of them.
struct KeyFilter: Sendable {
    /// Lists that it has to stand in.
    let lists: [String]
    /// Lists that it must not stand in.
    let absent: [String]
    private let namespace: String?
    /// What its name has to begin with, as the order by name has it; empty for anything.
    let prefix: String
    /// Credits that it has at least and at most.
    let credits: (least: Int?, most: Int?)
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
        case false, nil: break
        }
        absent = try request[Self.suspended] == false ? [KeyRecord.suspended] : []
        if let wanted = try request[Self.expired] {
            if wanted { lists.append(KeyRecord.ending) }
            conditions.append { key in key.record.isExpired(at: key.readAt) == wanted }
        }
        let begin = try request[Self.namePrefix]?.lowercased() ?? ""
        prefix = KeyRecord.word(ofName: begin)
        if !prefix.hasSameBytes(as: begin) {
            // The order by name has no more than the beginning of it.
            conditions.append { key in key.record.name.lowercased().utf8.starts(with: begin.utf8) }
        }
        credits = (try request[Self.minCredits].map { Self.whole($0, .up) }, try request[Self.maxCredits].map { Self.whole($0, .down) })
        self.conditions = conditions
        self.lists = lists
    }

    /// The tags of keys, and their namespace: what a search asks for.
    init(lists: [String]) {
        (self.lists, absent, namespace, prefix, credits, conditions) = (lists, [], nil, "", (nil, nil), [])
    }

    /// As far as there are credits.
    private static func whole(_ number: Double, _ rule: FloatingPointRoundingRule) -> Int {
        Int(min(max(number.rounded(rule), -1), Double(Credits.balanceCeiling)))
    }

    var isOfCredits: Bool { credits.least != nil || credits.most != nil }

    /// Whether anything besides the namespace was asked for.
    var asksForMore: Bool {
        !conditions.isEmpty || !absent.isEmpty || !prefix.isEmpty || isOfCredits || lists.count > (namespace == nil ? 0 : 1)
    }

    /// Whether orders besides those of making help with it.
    var needsOrders: Bool { !prefix.isEmpty || isOfCredits }

    /// Whether a part of this order is all that was asked for, so that nothing has to be gone through.
    func isSaid(by order: KeyOrder) -> Bool {
        guard conditions.isEmpty, absent.isEmpty else { return false }
        return switch order {
        case .made: lists.count < 2 && prefix.isEmpty && !isOfCredits
        case .name: lists.isEmpty && !isOfCredits
        case .amount(let amount, _, _): lists.isEmpty && prefix.isEmpty && (amount == .credits || !isOfCredits)
        }
    }

    /// Whether records have to be read to tell which keys are asked for.
    /// - Parameter order: one that they are known to stand in.
    func needsRecords(in order: KeyOrder) -> Bool { !conditions.isEmpty || !prefix.isEmpty && order != .name(prefix: prefix) }

    /// Whether it is nothing but one list, or nothing but what must not stand in one: then it is known how many there are.
    var isCounted: Bool { conditions.isEmpty && prefix.isEmpty && !isOfCredits && lists.count + absent.count == 1 }

    /// Whether so many credits are asked for.
    func takes(credits number: Int) -> Bool {
        credits.least.map { number >= $0 } ?? true && credits.most.map { number <= $0 } ?? true
    }

    /// Parts of orders that every key which is asked for stands in.
    /// - Parameter hasOrders: whether there are any besides those of lists.
    func parts(_ hasOrders: Bool) -> [KeyOrder] {
        var parts = lists.map { KeyOrder.made($0) }
        if hasOrders, !prefix.isEmpty { parts.append(.name(prefix: prefix)) }
        if hasOrders, isOfCredits { parts.append(.amount(.credits, from: credits.least, to: credits.most)) }
        return parts.isEmpty ? [.made(nil)] : parts
    }

    /// Whether a key that stands in its lists is one of those that were asked for.
    func admits(_ key: KeySnapshot) -> Bool {
        (prefix.isEmpty || KeyRecord.word(ofName: key.record.name).utf8.starts(with: prefix.utf8))
            && takes(credits: key.account.credits)
            && conditions.allSatisfy { $0(key) }
    }
}
