// What the arguments of a tool have to be: the part of JSON Schema that is checked before a server hears of a call.

package import GateDomain
package import GateValues
package import MCPWire

/// A JSON schema that an operator has registered for a tool (F-SCHEMA-01).
///
/// Each part of the arguments is looked at once: no keyword has a part checked by several schemas, names and enumerations are looked up, and
/// expressions match without backtracking. So a check takes the time of the arguments' length, whatever they are.
package struct ArgumentSchema: Sendable {
    private let root: SchemaNode
    /// Regular expressions in it.
    package let patterns: Int

    /// Bytes of a schema as it is kept.
    package static let longest = 16_384
    /// Faults that are told of one call.
    package static let mostFaults = 20

    /// - Throws: what of the schema the gate does not check, or what is wrong with it, as a whole sentence and with its place.
    package init(_ json: JSONValue) throws(ValueFault) {
        guard json.text.utf8.count <= Self.longest else { throw ValueFault("Must have at most \(Self.longest) bytes.") }
        var patterns = 0
        root = try SchemaNode(json, at: "", depth: 0, &patterns)
        self.patterns = patterns
    }

    /// What does not fit, in the order of the arguments; empty where they fit.
    /// - Parameter arguments: JSON; no bytes are an object without members.
    package func faults(in arguments: UnsafeRawBufferPointer) -> [ArgumentFault] {
        var faults = FaultList()
        if arguments.isEmpty {
            root.check([:], at: "$", &faults)
        } else {
            do throws(JSONFault) {
                // Of two members of one name the server could read the other one.
                root.check(try JSONValue.parse(arguments, rules: .distinct), at: "$", &faults)
            } catch {
                faults.add("$", "Is not taken: \(error.sentence)")
            }
        }
        return faults.entries
    }
}

extension Stage {
    /// Refuses calls whose arguments do not fit the schema of their tool (F-RPC-06); in the phase `input`.
    package static func argumentsFit(_ schemas: [ExactText: ArgumentSchema]) -> Stage {
        Stage("arguments fit the schema", .input) { call in
            guard let schema = schemas[ExactText(call.tool)] else { return .pass }
            let faults = call.withPayload { schema.faults(in: $0) }
            return .checked(faults.isEmpty ? .pass : .deny(.schemaInvalid(faults)))
        }
    }
}

/// The first faults of a call.
private struct FaultList {
    private(set) var entries: [ArgumentFault] = []

    var isFull: Bool { entries.count >= ArgumentSchema.mostFaults }

    mutating func add(_ path: String, _ message: String) {
        if !isFull { entries.append(ArgumentFault(path: path.cut(toBytes: 200), message: message)) }
    }
}

/// One schema, and those of its parts.
private struct SchemaNode: Sendable {
    private enum Kind: String, CaseIterable {
        case string, number, integer, boolean, array, object, null
    }

    /// What an enumeration holds.
    private enum Choice: Hashable {
        case null
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case text(ExactText)

        init?(_ value: JSONValue) {
            switch value {
            case .null: self = .null
            case .bool(let flag): self = .bool(flag)
            case .int(let number): self = .int(number)
            // 1.0 is 1.
            case .double(let number): self = Int64(exactly: number).map(Choice.int) ?? .double(number)
            case .string(let text): self = .text(ExactText(text))
            case .array, .object: return nil
            }
        }
    }

    private var kinds: [Kind] = []
    private var choices: Set<Choice>?
    private var lengths: (least: Int, most: Int)?
    private var minimum: JSONValue?
    private var maximum: JSONValue?
    private var pattern: ByteExpression?
    private var properties: [ExactText: SchemaNode] = [:]
    private var required: [String] = []
    private var requiredSet: Set<ExactText> = []
    private var takesOthers = true
    /// One at most.
    private var items: [SchemaNode] = []
    private var counts: (least: Int, most: Int)?

    /// Keywords that say something for people and forbid nothing.
    private static let remarks: Set<String> = [
        "$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format",
    ]
    private static let keywords =
        "type, required, enum, minLength, maxLength, minimum, maximum, pattern, properties, additionalProperties, items, minItems, maxItems"
    private static let deepest = 32
    /// Bytes of a keyword; what is longer is none, and is not compared with those that there are.
    private static let longestKeyword = 100

    init(_ json: JSONValue, at path: String, depth: Int, _ patterns: inout Int) throws(ValueFault) {
        guard let members = json.objectValue else { throw ValueFault(at: path, "Must be a schema, which is an object.") }
        guard depth < Self.deepest else { throw ValueFault(at: path, "Must not be nested more than \(Self.deepest) deep.") }
        for member in members { try take(member, at: "\(path).\(member.name)", depth, &patterns) }
        requiredSet = Set(required.map(ExactText.init))
    }

    private mutating func take(_ member: JSONObject.Member, at path: String, _ depth: Int, _ patterns: inout Int) throws(ValueFault) {
        let value = member.value
        guard member.name.utf8.count <= Self.longestKeyword else { throw Self.stranger(at: path) }
        switch member.name {
        case "type": kinds = try Self.kinds(value, at: path)
        case "enum": choices = try Self.choices(value, at: path)
        case "minLength": lengths = (try Self.count(value, at: path), lengths?.most ?? .max)
        case "maxLength": lengths = (lengths?.least ?? 0, try Self.count(value, at: path))
        case "minItems": counts = (try Self.count(value, at: path), counts?.most ?? .max)
        case "maxItems": counts = (counts?.least ?? 0, try Self.count(value, at: path))
        case "minimum": minimum = try Self.number(value, at: path)
        case "maximum": maximum = try Self.number(value, at: path)
        case "pattern":
            patterns += 1
            pattern = try Self.expression(value, at: path)
        case "required": required = try Self.names(value, at: path)
        case "additionalProperties":
            guard let flag = value.boolValue else { throw ValueFault(at: path, "Must be true or false.") }
            takesOthers = flag
        case "items": items = [try SchemaNode(value, at: path, depth: depth + 1, &patterns)]
        case "properties":
            guard let parts = value.objectValue else { throw ValueFault(at: path, "Must be an object of schemas.") }
            for part in parts {
                properties[ExactText(part.name)] = try SchemaNode(part.value, at: "\(path).\(part.name)", depth: depth + 1, &patterns)
            }
        default:
            guard Self.remarks.contains(member.name) || member.name.hasPrefix("x-") else {
                throw Self.stranger(at: path)
            }
        }
    }

    private static func stranger(at path: String) -> ValueFault {
        ValueFault(at: path, "Must not be there: the gate checks \(keywords).")
    }

    // MARK: Reading a schema

    private static func kinds(_ value: JSONValue, at path: String) throws(ValueFault) -> [Kind] {
        let words = value.arrayValue ?? [value]
        let kinds = words.compactMap { $0.stringValue.flatMap { $0.utf8.count <= 16 ? Kind(rawValue: $0) : nil } }
        guard !kinds.isEmpty, kinds.count == words.count, kinds.count <= Kind.allCases.count else {
            throw ValueFault(at: path, "Must be one or some of \(Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return kinds
    }

    private static func choices(_ value: JSONValue, at path: String) throws(ValueFault) -> Set<Choice> {
        let choices = value.arrayValue?.compactMap(Choice.init) ?? []
        guard !choices.isEmpty, choices.count == value.arrayValue?.count else {
            throw ValueFault(at: path, "Must be a list of texts, numbers, truth values or null.")
        }
        return Set(choices)
    }

    private static func count(_ value: JSONValue, at path: String) throws(ValueFault) -> Int {
        guard let number = value.numberValue, (0...1e9).contains(number), number == number.rounded() else {
            throw ValueFault(at: path, "Must be a whole number of 0 to 1000000000.")
        }
        return Int(number)
    }

    private static func number(_ value: JSONValue, at path: String) throws(ValueFault) -> JSONValue {
        guard value.numberValue != nil else { throw ValueFault(at: path, "Must be a number.") }
        return value
    }

    private static func names(_ value: JSONValue, at path: String) throws(ValueFault) -> [String] {
        let names = value.arrayValue?.compactMap(\.stringValue) ?? []
        guard let all = value.arrayValue, names.count == all.count, Set(names.map(ExactText.init)).count == names.count else {
            throw ValueFault(at: path, "Must be a list of names, each once.")
        }
        return names
    }

    private static func expression(_ value: JSONValue, at path: String) throws(ValueFault) -> ByteExpression {
        guard let text = value.stringValue else { throw ValueFault(at: path, "Must be a regular expression.") }
        do throws(ValueFault) {
            return try ByteExpression(text)
        } catch {
            throw ValueFault(at: path, error.rule)
        }
    }

    // MARK: Checking

    func check(_ value: JSONValue, at path: String, _ faults: inout FaultList) {
        guard !faults.isFull else { return }
        guard kinds.isEmpty || kinds.contains(where: { Self.isOne(value, of: $0) }) else {
            return faults.add(path, "Must be of type \(kinds.map(\.rawValue).joined(separator: " or "))")
        }
        if let choices, !(Choice(value).map(choices.contains) ?? false) { faults.add(path, "Must be one of the values of enum") }
        switch value {
        case .string(let text): check(text, at: path, &faults)
        case .int, .double:
            if let minimum, Self.isLess(value, minimum) { faults.add(path, "Must be at least \(minimum.shown)") }
            if let maximum, Self.isLess(maximum, value) { faults.add(path, "Must be at most \(maximum.shown)") }
        case .array(let elements): check(elements, at: path, &faults)
        case .object(let members): check(members, at: path, &faults)
        case .null, .bool: break
        }
    }

    private static func isOne(_ value: JSONValue, of kind: Kind) -> Bool {
        switch (kind, value) {
        case (.string, .string), (.boolean, .bool), (.array, .array), (.object, .object), (.null, .null), (.number, .int), (.integer, .int),
            (.number, .double):
            true
        case (.integer, .double(let number)): number == number.rounded()
        default: false
        }
    }

    private static func isLess(_ left: JSONValue, _ right: JSONValue) -> Bool {
        // Doubles do not tell large whole numbers apart.
        if case (.int(let left), .int(let right)) = (left, right) { return left < right }
        return (left.numberValue ?? 0) < (right.numberValue ?? 0)
    }

    private func check(_ text: String, at path: String, _ faults: inout FaultList) {
        if let lengths {
            let count = text.unicodeScalars.count
            if count < lengths.least { faults.add(path, "Must have at least \(lengths.least) characters") }
            if count > lengths.most { faults.add(path, "Must have at most \(lengths.most) characters") }
        }
        guard let pattern else { return }
        var (text, isFound) = (text, false)
        text.withUTF8 { bytes in
            pattern.search(UnsafeRawBufferPointer(bytes)) { _ in
                isFound = true
                return false
            }
        }
        if !isFound { faults.add(path, "Must match \(pattern.source.cut(toBytes: 100))") }
    }

    private func check(_ elements: [JSONValue], at path: String, _ faults: inout FaultList) {
        if let counts {
            if elements.count < counts.least { faults.add(path, "Must have at least \(counts.least) elements") }
            if elements.count > counts.most { faults.add(path, "Must have at most \(counts.most) elements") }
        }
        guard let items = items.first else { return }
        for (index, element) in elements.enumerated() {
            guard !faults.isFull else { return }
            items.check(element, at: "\(path)[\(index)]", &faults)
        }
    }

    private func check(_ members: JSONObject, at path: String, _ faults: inout FaultList) {
        var present: Set<ExactText> = []
        for member in members {
            guard !faults.isFull else { return }
            let name = ExactText(member.name)
            if requiredSet.contains(name) { present.insert(name) }
            if let part = properties[name] {
                part.check(member.value, at: Self.path(path, member.name), &faults)
            } else if !takesOthers {
                faults.add(Self.path(path, member.name), "Must not be there")
            }
        }
        guard present.count < requiredSet.count else { return }
        for name in required where !present.contains(ExactText(name)) { faults.add(Self.path(path, name), "Must be there") }
    }

    /// A client may have chosen a long name, and nest many of them.
    private static func path(_ path: String, _ name: String) -> String {
        path.utf8.count > 200 ? path : path + "." + name.cut(toBytes: 100)
    }
}
