// Checks answers against the schemas that document them, and makes values that break a schema.

@testable import GateNode
import MCPWire

/// The part of JSON Schema that our schemas use.
struct SchemaConformance {
    /// Where a value differs from its schema; empty if it conforms.
    static func faults(of value: JSONValue, against schema: JSONValue, at path: String = "$") -> [String] {
        if let choices = schema["oneOf"]?.arrayValue {
            let faults = choices.map { Self.faults(of: value, against: $0, at: path) }
            return faults.contains(where: \.isEmpty) ? [] : faults.first ?? []
        }
        let types = schema["type"]?.arrayValue?.compactMap(\.stringValue) ?? schema["type"]?.stringValue.map { [$0] } ?? []
        guard types.isEmpty || types.contains(where: { value.isOf($0) }) else { return ["\(path) is no \(types)"] }
        var faults: [String] = []
        if let words = schema["enum"]?.arrayValue, !words.contains(value) { faults.append("\(path) is none of \(words)") }
        for element in value.arrayValue ?? [] { faults += Self.faults(of: element, against: schema["items"] ?? [:], at: path + "[]") }
        guard let object = value.objectValue else { return faults }
        for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where object[name] == nil {
            faults.append("\(path).\(name) is missing")
        }
        for member in object {
            let known = schema["properties"]?[member.name] ?? schema["additionalProperties"]
            if let known {
                faults += Self.faults(of: member.value, against: known, at: "\(path).\(member.name)")
            } else if schema["properties"] != nil {
                faults.append("\(path).\(member.name) is not documented")
            }
        }
        return faults
    }

    /// Whether every text is a value of the schema.
    static func isAnyText(_ schema: JSONValue) -> Bool {
        let types = schema["type"]?.arrayValue ?? schema["type"].map { [$0] } ?? []
        return types.contains("string") && ["enum", "format", "pattern"].allSatisfy { schema[$0] == nil }
    }

    /// Values that the schema of a field does not take.
    static func violations(of schema: JSONValue) -> [JSONValue] {
        let types = schema["type"]?.arrayValue?.compactMap(\.stringValue) ?? [schema["type"]?.stringValue ?? "never"]
        let strangers: [JSONValue] = [true, 7, "text", [[]], ["a": ["b"]]]
        var violations = strangers.filter { stranger in !types.contains { stranger.isOf($0) } }
        if let most = schema["maximum"]?.intValue { violations += [.int(most + 1), .double(1e300), .int(.max)] }
        if let least = schema["minimum"]?.intValue { violations += [.int(least - 1), .double(Double(least) - 0.5), -1e300, .int(.min)] }
        if let most = schema["maxLength"]?.intValue { violations.append(.string(String(repeating: "x", count: Int(most) + 1))) }
        if schema["minLength"]?.intValue == 1 { violations.append("") }
        if schema["pattern"] != nil { violations += ["", "a b", "ä", "a\n", .string(String(repeating: "x", count: 101))] }
        if schema["enum"] != nil || schema["format"] != nil { violations += ["", "nonsense"] }
        if let item = schema["items"] {
            violations += item["type"] == "integer" ? [[.int((item["minimum"]?.intValue ?? 0) - 1)], [1.5]] : [[7]]
            violations += [[true], [nil], [""], [["a"]], ["a\nb"]]
        }
        if let most = schema["maxItems"]?.intValue { violations.append(.array(Array(repeating: "x", count: Int(most) + 1))) }
        if types.contains("integer"), schema["description"]?.stringValue?.contains("rounded down") != true { violations.append(1.5) }
        if let value = schema["additionalProperties"] {
            violations += [["a": 7], ["": "b"], ["a\tb": "c"]]
            if value["type"]?.arrayValue?.contains("null") != true { violations.append(["a": nil]) }
        }
        if let most = schema["maxProperties"]?.intValue {
            violations.append(.object(JSONObject((0...most).map { ("tag\($0)", JSONValue.string("x")) })))
        }
        return violations
    }
}

extension JSONValue {
    fileprivate func isOf(_ type: String) -> Bool {
        switch type {
        case "null": isNull
        case "boolean": boolValue != nil
        case "integer": intValue != nil
        case "number": numberValue != nil
        case "string": stringValue != nil
        case "array": arrayValue != nil
        case "object": objectValue != nil
        default: false
        }
    }
}
