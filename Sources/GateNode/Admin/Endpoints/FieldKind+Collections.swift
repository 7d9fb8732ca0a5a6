// Kinds of fields that are several values: tool lists, address lists, tags.

import GateDomain
import MCPWire

extension FieldKind where Value == [String] {
    /// Names of tools; the first 1,000 count (F-KEY-15).
    static let toolNames = Self(.list(of: .string(1...500)).described("The first \(ToolAccess.capacity) entries count.")) { json throws(FieldFault) in
        let rule = FieldFault.rule("Must be a list of tool names.")
        guard let entries = json.arrayValue else { throw rule }
        return try entries.prefix(ToolAccess.capacity).map { entry throws(FieldFault) in
            guard let name = entry.stringValue, (1...500).contains(name.utf8.count), name.isOneLine else { throw rule }
            return name
        }
    }
}

extension FieldKind where Value == [AddressRange] {
    /// IPv4 addresses and CIDR blocks; the first 200 count (F-IP-04, X-27).
    static let addresses = Self(.list(of: .string).described("IPv4 addresses or CIDR blocks; the first \(AddressRange.capacity) count.")) {
        json throws(FieldFault) in
        let rule = FieldFault.rule("Must be a list of IPv4 addresses or CIDR blocks.")
        guard let entries = json.arrayValue else { throw rule }
        return try entries.prefix(AddressRange.capacity).map { entry throws(FieldFault) in
            guard let range = entry.stringValue.flatMap(AddressRange.init), range.isV4 else { throw rule }
            return range
        }
    }
}

extension FieldKind where Value == [String: String] {
    /// At most 50, each name and value of at most 100 characters (F-KEY-13).
    static let tags = Self(.map(of: .string(0...100)).with("maxProperties", 50)) { json throws(FieldFault) in
        let rule = FieldFault.rule("Must be at most 50 tags of at most 100 characters each.")
        guard let members = json.objectValue, members.count <= 50 else { throw rule }
        var tags: [String: String] = [:]
        for member in members {
            guard let value = member.value.stringValue, (1...100).contains(member.name.count), value.count <= 100,
                member.name.isOneLine, value.isOneLine
            else { throw rule }
            tags[member.name] = value
        }
        return tags
    }
}

extension FieldKind where Value == [String: String?] {
    /// Changes of tags: null removes one.
    static let tagChanges = Self(.map(of: .string(0...100).nullable).with("maxProperties", 50)) { json throws(FieldFault) in
        guard let members = json.objectValue else { throw .rule("Must be at most 50 tags of at most 100 characters each, or null.") }
        let kept = members.filter { !$0.value.isNull }.map { ($0.name, $0.value) }
        let set = try FieldKind<[String: String]>.tags.read(.object(JSONObject(kept)))
        return members.reduce(into: [:]) { changes, member in changes.updateValue(set[member.name], forKey: member.name) }
    }
}

extension FieldKind where Value == Never {
    /// A documented field whose feature this version does not serve: refused, never stored and ignored.
    static let later = Self(Schema(["description": "Not available in this version."])) { _ throws(FieldFault) in
        throw .rule("It is not available in this version.")
    }
}

extension String {
    /// No control characters, which would make two entries of one where lists are kept as lines.
    fileprivate var isOneLine: Bool {
        unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}
