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
        /// Codes of countries.
        case allowedCountries = "countries_allowed"
        /// Codes of countries.
        case deniedCountries = "countries_denied"
        /// The digest of the secret that proves it since it was rotated.
        case credential
        /// Milliseconds since 1970.
        case toldExpiry = "expiry_told"
        /// Milliseconds since 1970, and seconds before them.
        case warnedExpiry = "expiry_warned"
    }

    package var fields: [String: String] {
        var fields: [Field: String] = [
            .name: name, .prefix: prefix, .masked: masked, .createdAt: String(createdAt), .state: state.rawValue,
            .expires: String(expiresAt ?? 0), .limit: String(spendingLimit), .namespace: namespace, .alias: alias ?? "",
            .allowed: access.allowed.lines, .denied: access.denied.lines, .addresses: addresses.map(\.text).lines, .tags: tags.lines,
            .suspendReason: suspendReason,
        ]
        if !countries.allowed.isEmpty { fields[.allowedCountries] = countries.allowed.lines }
        if !countries.denied.isEmpty { fields[.deniedCountries] = countries.denied.lines }
        if let teamID { fields[.team] = teamID }
        if let quota { fields[.quota] = quota.text }
        if let autoTopUp { fields[.autoTopUp] = autoTopUp.text }
        if let credential { fields[.credential] = credential }
        if let toldExpiry { fields[.toldExpiry] = String(toldExpiry) }
        if let warnedExpiry { fields[.warnedExpiry] = "\(warnedExpiry.expiry) \(warnedExpiry.threshold)" }
        return Dictionary(uniqueKeysWithValues: fields.map { ($0.key.rawValue, $0.value) })
    }

    package var accountFields: [String: String] {
        ["limit": String(spendingLimit), "expires": String(expiresAt ?? 0)]
    }

    package var listings: [String: Int] {
        var listings = [Self.list(ofNamespace: namespace): createdAt, state == .revoked ? Self.revoked : Self.living: createdAt]
        if state == .suspended { listings[Self.suspended] = createdAt }
        if let expiresAt, state != .revoked { listings[Self.expiring] = expiresAt }
        if let expiresAt, state != .revoked, expiresAt != toldExpiry { listings[Self.untold] = expiresAt }
        if expiresAt != nil { listings[Self.ending] = createdAt }
        if expiresAt != nil, state != .revoked { listings[Self.unwarned] = 0 }
        for (name, value) in tags { listings[Self.list(ofTag: name, value)] = createdAt }
        return listings
    }

    package var words: [String: String] { [Self.names: Self.word(ofName: name, id: id)] }

    /// Keys that were made or changed, and are not counted so yet.
    package static let changes: String? = "keys.changed"

    /// Keys by their names, whatever the case of the letters.
    package static let names = "keys.names"
    /// What stands for a name in the order by it: its letters small, its first 256 bytes at most.
    package static func word(ofName name: String) -> String { name.lowercased().cut(toBytes: 256) }
    /// The word of one key, unlike that of any other.
    package static func word(ofName name: String, id: String) -> String { word(ofName: name) + KeyPlace.wordEnd + id }

    /// Keys that are not revoked.
    package static let living = "keys.living"
    /// Keys that are suspended.
    package static let suspended = "keys.suspended"
    /// Keys that are revoked.
    package static let revoked = "keys.revoked"
    /// Keys that are not revoked and expire at some time, by that time.
    package static let expiring = "keys.expiring"
    /// Of these, by the same time, those of whose expiry nobody was told yet.
    package static let untold = "keys.untold"
    /// Of those that expire at some time and are not revoked, when the next warning is due; 0 where that is not known.
    package static let unwarned = "keys.unwarned"
    /// Keys that expire at some time, whatever their state.
    package static let ending = "keys.ending"
    /// Keys of a namespace.
    package static func list(ofNamespace namespace: String) -> String { "keys.namespace:" + namespace }
    /// Keys that have a tag. Half a digest names it: labels may hold any character.
    package static func list(ofTag name: String, _ value: String) -> String {
        "keys.tag:" + Credential.digest(of: "\(name)\t\(value)").prefix(32)
    }

    /// Nil if the hash is not there or not a key.
    package init?(id: String, fields: [String: String]) {
        func text(_ field: Field) -> String { fields[field.rawValue] ?? "" }
        guard id.hasPrefix("key_"), let state = KeyState(rawValue: text(.state)), let version = fields["version"].flatMap({ Int($0) })
        else {
            return nil
        }
        let expires = Int(text(.expires)) ?? 0
        self.init(
            id: id, name: text(.name), prefix: text(.prefix), masked: text(.masked), createdAt: Int(text(.createdAt)) ?? 0,
            state: state, expiresAt: expires > 0 ? expires : nil, spendingLimit: Int(text(.limit)) ?? 0,
            access: ToolAccess(allowed: text(.allowed).asLines, denied: text(.denied).asLines),
            addresses: text(.addresses).asLines.compactMap(AddressRange.init),
            countries: CountryAccess(allowed: text(.allowedCountries).asLines, denied: text(.deniedCountries).asLines),
            tags: [String: String](lines: text(.tags)), namespace: text(.namespace).isEmpty ? "default" : text(.namespace),
            alias: text(.alias).isEmpty ? nil : text(.alias),
            teamID: text(.team).isEmpty ? nil : text(.team), quota: Quota(text: text(.quota)), autoTopUp: AutoTopUp(text: text(.autoTopUp)),
            suspendReason: text(.suspendReason), credential: text(.credential).isEmpty ? nil : text(.credential),
            toldExpiry: Int(text(.toldExpiry)), warnedExpiry: ExpiryNotice(text: text(.warnedExpiry)),
            version: version)
    }
}

extension ExpiryNotice {
    /// Nil where there is none.
    fileprivate init?(text: String) {
        let numbers = text.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { return nil }
        self.init(expiry: numbers[0], threshold: numbers[1])
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
        guard id.hasPrefix("team_"), let name = fields["name"], let version = fields["version"].flatMap({ Int($0) }) else { return nil }
        self.init(
            id: id, name: name, description: fields["description"] ?? "", budget: fields["budget"].flatMap { Int($0) } ?? 0,
            quota: Quota(text: fields["quota"] ?? "") ?? Quota(), tags: [String: String](lines: fields["tags"] ?? ""),
            createdAt: fields["created"].flatMap { Int($0) } ?? 0, isActive: fields["active"] != "0", version: version)
    }
}

extension Quota {
    var text: String { "\(dailyCalls) \(monthlyCalls) \(dailyCredits) \(monthlyCredits)" }

    init?(text: String) {
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
    var lines: String { sorted { $0.key < $1.key }.map { "\($0.key)\t\($0.value)" }.lines }

    init(lines: String) {
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
