// Kinds of values that are several values: lists, maps, and the tool lists, address lists and tags of keys.

import Foundation
package import GateDomain
package import MCPWire

/// Bytes of a member's name: as many as one of a setting may have, and few enough to be compared.
private let longestName = 500

extension ValueKind {
    /// A list of values of one kind; a list that holds another value breaks `rule` as a whole. One that is too long is refused before any of its
    /// values is read: what is left out of a list of denials would be allowed.
    ///
    /// - Parameters:
    ///   - capacity: How many there may be.
    ///   - takesCommas: One text with commas is the list of its parts.
    package static func list<Element: Sendable>(
        of element: ValueKind<Element>, upTo capacity: Int, takesCommas: Bool = false, rule: String
    ) -> Self where Value == [Element] {
        Self(.list(of: element.schema).with("maxItems", capacity)) { json throws(ValueFault) in
            let entries: [JSONValue]
            switch json {
            case .array(let array): entries = array
            case .string(let text) where takesCommas: entries = text.commaSeparatedParts.map(JSONValue.string)
            default: throw ValueFault(rule, showing: json)
            }
            guard entries.count <= capacity else { throw ValueFault("Must have at most \(capacity) entries.") }
            return try entries.map { entry throws(ValueFault) in
                do throws(ValueFault) {
                    return try element.value(of: entry)
                } catch {
                    throw ValueFault(rule, showing: entry)
                }
            }
        }
    }

    /// A list that has so many elements, or breaks `rule`; they are counted before any of them is read.
    package static func bounded<Element: Sendable>(_ kind: ValueKind<[Element]>, _ counts: ClosedRange<Int>, _ rule: String) -> Self
    where Value == [Element] {
        Self(kind.schema.with("minItems", counts.lowerBound).with("maxItems", counts.upperBound)) { json throws(ValueFault) in
            guard json.arrayValue.map({ counts.contains($0.count) }) ?? true else { throw ValueFault(rule) }
            return try kind.value(of: json)
        }
    }

    /// An object whose members are values of one kind. A member that is wrong is left out and told; all of them are looked at, in the order
    /// of their names, so that the same object gives the same sentences.
    /// - Parameter hasSecretNames: no sentence repeats the name of a member.
    package static func map<Element: Sendable>(of element: ValueKind<Element>, hasSecretNames: Bool = false) -> Self
    where Value == [String: Element] {
        members(.map(of: element.schema)) { members, findings in
            members.reduce(into: [:]) { values, member in
                values[member.name] = findings.within(hasSecretNames ? "" : ".\(member.name)") { element.read(member.value, &$0) }
            }
        }
    }

    /// An object, read by its members in the order of the bytes of their names; of none of which is longer than `longestName`.
    package static func members(
        _ schema: Schema = .object, _ read: @escaping @Sendable ([JSONObject.Member], inout ValueFindings) -> Value?
    )
        -> Self
    {
        Self(
            schema,
            reading: { json, findings in
                guard let object = json.objectValue else {
                    findings.refuse("Must be an object.", showing: json)
                    return nil
                }
                guard object.members.allSatisfy({ $0.name.utf8.count <= longestName }) else {
                    findings.refuse("Must have no member whose name is longer than \(longestName) bytes.")
                    return nil
                }
                return read(object.members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }, &findings)
            })
    }

    /// The same values, described by `schema`.
    package func described(by schema: (Schema) -> Schema) -> Self {
        Self(schema(self.schema), given: given, reading: read)
    }
}

extension ValueKind where Value == [String] {
    /// Names of tools, at most 1,000 (F-KEY-15).
    package static let toolNames = list(
        of: .word(.string(1...500), rule: "") { (1...500).contains($0.utf8.count) && $0.isOneLine }, upTo: ToolAccess.capacity,
        rule: "Must be a list of at most \(ToolAccess.capacity) tool names."
    )
}

extension ValueKind where Value == [AddressRange] {
    /// IPv4 addresses and CIDR blocks, at most 200 (F-IP-04, X-27).
    package static let addresses = list(
        of: .addressBlock, upTo: AddressRange.capacity,
        rule: "Must be a list of at most \(AddressRange.capacity) IPv4 addresses or CIDR blocks."
    )
    .described { $0.described("IPv4 addresses or CIDR blocks.") }
}

extension ValueKind where Value == AddressRange {
    fileprivate static let addressBlock = Self(.string(1...50)) { json throws(ValueFault) in
        guard let range = json.stringValue.flatMap({ $0.utf8.count <= 50 ? $0 : nil }).flatMap(AddressRange.init), range.isV4 else {
            throw ValueFault("", showing: json)
        }
        return range
    }
}

extension ValueKind where Value == [String: String] {
    /// At most 50, each name and value of at most 100 characters of Unicode (F-KEY-13). All of that is known before anything is compared.
    package static let tags = Self(map(of: .tag).schema.with("maxProperties", 50)) { json throws(ValueFault) in
        let rule = "Must be at most 50 tags of at most 100 characters each."
        guard let members = json.objectValue, members.areNamedAsTags, let tags = try? map(of: .tag).value(of: json) else {
            throw ValueFault(rule, showing: json)
        }
        return tags
    }
}

extension ValueKind where Value == String {
    fileprivate static let tag = word(.string(0...100), rule: "") { $0.hasCharacters(0...100) && $0.isOneLine }
}

extension ValueKind where Value == [String: String?] {
    /// Changes of tags: null removes one.
    package static let tagChanges = Self(.map(of: .string(0...100).nullable).with("maxProperties", 50)) { json throws(ValueFault) in
        guard let members = json.objectValue, members.areNamedAsTags else {
            throw ValueFault("Must be at most 50 tags of at most 100 characters each, or null.")
        }
        let kept = members.filter { !$0.value.isNull }.map { ($0.name, $0.value) }
        let set = try ValueKind<[String: String]>.tags.value(of: .object(JSONObject(kept)))
        return members.reduce(into: [:]) { changes, member in changes.updateValue(set[member.name], forKey: member.name) }
    }
}

extension JSONObject {
    fileprivate var areNamedAsTags: Bool { count <= 50 && allSatisfy { $0.name.hasCharacters(1...100) && $0.name.isOneLine } }
}

extension ValueKind where Value == Never {
    /// A documented field whose feature this version does not serve: refused, never stored and ignored.
    package static let later = Self(Schema(["description": "Not available in this version."])) { _ throws(ValueFault) in
        throw ValueFault("It is not available in this version.")
    }
}

extension String {
    /// The trimmed parts between commas, without empty ones.
    package var commaSeparatedParts: [String] {
        unicodeScalars.split(separator: ",").map { Substring($0).trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    /// Whether it has so many characters of Unicode. What is drawn as one may be any number of them, and costs the square of it to compare.
    func hasCharacters(_ counts: ClosedRange<Int>) -> Bool {
        utf8.count <= 4 * counts.upperBound && counts.contains(unicodeScalars.count)
    }

    /// No control characters, which would make two entries of one where lists are kept as lines.
    var isOneLine: Bool {
        unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}
