// Reading and building of values: no accessor converts between types, so a wrong type is always noticed (X35).

extension JSONValue {
    /// Whether this is `null`.
    package var isNull: Bool { self == .null }

    /// The truth value; nil for every other kind.
    package var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The whole number; nil for every other kind, also for `1.0`.
    package var intValue: Int64? {
        guard case .int(let value) = self else { return nil }
        return value
    }

    /// The number, whichever way it is written.
    package var numberValue: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The text; nil for every other kind.
    package var stringValue: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The elements; nil for every other kind.
    package var arrayValue: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    /// The members; nil for every other kind.
    package var objectValue: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// The member of an object. Setting one on a value that is no object has no effect.
    package subscript(name: String) -> JSONValue? {
        get { objectValue?[name] }
        set {
            guard case .object(var object) = self else { return }
            self = .null  // gives up the only other reference, so that the members are changed in place
            object[name] = newValue
            self = .object(object)
        }
    }

    /// The element of an array.
    package subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// `null`.
    package init(nilLiteral: ()) { self = .null }
    /// A truth value.
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number.
    package init(integerLiteral value: Int64) { self = .int(value) }
    /// Any other number.
    package init(floatLiteral value: Double) { self = .double(value) }
    /// Text.
    package init(stringLiteral value: String) { self = .string(value) }
    /// An array.
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object; a later member replaces an earlier one of its name.
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// An object; a later member replaces an earlier one of its name.
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }

    /// An object of these members; a later one replaces an earlier one of its name.
    package init(_ elements: some Sequence<(String, JSONValue)>) {
        var builder = JSONObjectBuilder()
        for (name, value) in elements { builder.set(name, to: value) }
        self = builder.object
    }
}
