// How a key's record lies in its Redis hash.

package import GateDomain

extension KeyRecord {
    /// Field names of the record; lists are lines, which no entry may hold.
    package enum Field: String, Sendable {
        case name, prefix, masked, state, expires, limit, namespace, alias, version
        case createdAt = "created"
        case allowed, denied, addresses, tags
        case suspendReason = "suspend_reason"
    }

    /// The fields as they are written when the key is made; `version` belongs to the scripts.
    package var fields: [(Field, String)] {
        [
            (.name, name), (.prefix, prefix), (.masked, masked), (.createdAt, String(createdAt)), (.state, state.rawValue),
            (.expires, expiresAt.map(String.init) ?? "0"), (.limit, String(spendingLimit)), (.namespace, namespace),
            (.alias, alias ?? ""), (.allowed, access.allowed.lines), (.denied, access.denied.lines),
            (.addresses, addresses.map(\.text).lines), (.tags, tags.sorted { $0.key < $1.key }.map { "\($0.key)\t\($0.value)" }.lines),
        ]
    }

    /// Nil if the hash is not there or not a key.
    package init?(id: String, fields: [String: String]) {
        func text(_ field: Field) -> String { fields[field.rawValue] ?? "" }
        guard let state = KeyState(rawValue: text(.state)), let version = Int(text(.version)) else { return nil }
        let expires = Int(text(.expires)) ?? 0
        self.init(
            id: id, name: text(.name), prefix: text(.prefix), masked: text(.masked), createdAt: Int(text(.createdAt)) ?? 0,
            state: state, expiresAt: expires > 0 ? expires : nil, spendingLimit: Int(text(.limit)) ?? 0,
            access: ToolAccess(allowed: text(.allowed).asLines, denied: text(.denied).asLines),
            addresses: text(.addresses).asLines.compactMap(AddressRange.init),
            tags: text(.tags).asLines.reduce(into: [:]) { tags, line in
                let pair = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
                if pair.count == 2 { tags[String(pair[0])] = String(pair[1]) }
            },
            namespace: text(.namespace), alias: text(.alias).isEmpty ? nil : text(.alias), version: version)
    }
}

extension [String] {
    /// One entry a line.
    package var lines: String { joined(separator: "\n") }
}

extension String {
    package var asLines: [String] { utf8.split(separator: UInt8(ascii: "\n")).map { String(Substring($0)) } }
}
