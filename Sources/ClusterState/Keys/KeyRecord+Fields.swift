// How a key's record lies in its Redis hash.

package import GateDomain

extension KeyRecord: StoredRecord {
    package static let kind = "keys"
    package static let topic = Topic.key

    /// Field names of the record; lists are lines, which no entry may hold.
    package enum Field: String, Sendable {
        case name, prefix, masked, state, expires, limit, namespace, alias, team, quota
        /// Milliseconds since 1970.
        case createdAt = "created"
        case allowed, denied, addresses, tags
        /// Why it was suspended.
        case suspendReason = "suspend_reason"
        /// Threshold, amount and most a day.
        case autoTopUp = "auto_top_up"
    }

    package var fields: [String: String] {
        var fields: [Field: String] = [
            .name: name, .prefix: prefix, .masked: masked, .createdAt: String(createdAt), .state: state.rawValue,
            .expires: String(expiresAt ?? 0), .limit: String(spendingLimit), .namespace: namespace, .alias: alias ?? "",
            .allowed: access.allowed.lines, .denied: access.denied.lines, .addresses: addresses.map(\.text).lines, .tags: tags.lines,
            .suspendReason: suspendReason,
        ]
        if let teamID { fields[.team] = teamID }
        if let quota { fields[.quota] = quota.text }
        if let autoTopUp { fields[.autoTopUp] = autoTopUp.text }
        return Dictionary(uniqueKeysWithValues: fields.map { ($0.key.rawValue, $0.value) })
    }

    package var accountFields: [String: String] {
        ["limit": String(spendingLimit), "expires": String(expiresAt ?? 0)]
    }

    /// Nil if the hash is not there or not a key.
    package init?(id: String, fields: [String: String]) {
        func text(_ field: Field) -> String { fields[field.rawValue] ?? "" }
        guard let state = KeyState(rawValue: text(.state)), let version = fields["version"].flatMap({ Int($0) }) else { return nil }
        let expires = Int(text(.expires)) ?? 0
        self.init(
            id: id, name: text(.name), prefix: text(.prefix), masked: text(.masked), createdAt: Int(text(.createdAt)) ?? 0,
            state: state, expiresAt: expires > 0 ? expires : nil, spendingLimit: Int(text(.limit)) ?? 0,
            access: ToolAccess(allowed: text(.allowed).asLines, denied: text(.denied).asLines),
            addresses: text(.addresses).asLines.compactMap(AddressRange.init), tags: [String: String](lines: text(.tags)),
            namespace: text(.namespace), alias: text(.alias).isEmpty ? nil : text(.alias),
            teamID: text(.team).isEmpty ? nil : text(.team), quota: Quota(text: text(.quota)), autoTopUp: AutoTopUp(text: text(.autoTopUp)),
            suspendReason: text(.suspendReason),
            version: version)
    }
}

extension TeamRecord: StoredRecord {
    package static let kind = "teams"
    package static let topic = Topic.team

    package var fields: [String: String] {
        [
            "name": name, "description": description, "budget": String(budget), "quota": quota.text, "tags": tags.lines,
            "created": String(createdAt), "active": isActive ? "1" : "0",
        ]
    }

    /// A budget is what the team's account may spend; it holds no credits of its own.
    package var accountFields: [String: String] { ["limit": String(budget)] }

    /// Nil if the fields are none of a team.
    package init?(id: String, fields: [String: String]) {
        guard let name = fields["name"], let version = fields["version"].flatMap({ Int($0) }) else { return nil }
        self.init(
            id: id, name: name, description: fields["description"] ?? "", budget: fields["budget"].flatMap { Int($0) } ?? 0,
            quota: Quota(text: fields["quota"] ?? "") ?? Quota(), tags: [String: String](lines: fields["tags"] ?? ""),
            createdAt: fields["created"].flatMap { Int($0) } ?? 0, isActive: fields["active"] != "0", version: version)
    }
}

extension Quota {
    fileprivate var text: String { "\(dailyCalls) \(monthlyCalls) \(dailyCredits) \(monthlyCredits)" }

    fileprivate init?(text: String) {
        let numbers = text.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 4 else { return nil }
        self.init(dailyCalls: numbers[0], monthlyCalls: numbers[1], dailyCredits: numbers[2], monthlyCredits: numbers[3])
    }
}

extension [String] {
    /// One entry a line.
    package var lines: String { joined(separator: "\n") }
}

extension [String: String] {
    /// One pair a line, a tabulator between the two.
    fileprivate var lines: String { sorted { $0.key < $1.key }.map { "\($0.key)\t\($0.value)" }.lines }

    fileprivate init(lines: String) {
        self.init()
        for line in lines.asLines {
            let pair = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { self[String(pair[0])] = String(pair[1]) }
        }
    }
}

extension String {
    /// The lines of a list as it is stored, without empty ones.
    package var asLines: [String] { utf8.split(separator: UInt8(ascii: "\n")).map { String(Substring($0)) } }
}
