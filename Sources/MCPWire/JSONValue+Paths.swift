// Values at dotted paths and layers of objects, as settings need them.

extension JSONValue {
    /// Nests a value: `cors.origin` becomes `{"cors": {"origin": value}}`.
    package init(_ value: JSONValue, at path: String) {
        self = path.split(separator: ".").reversed().reduce(value) { .object([String($1): $0]) }
    }

    /// The value at a dotted path; nil where there is none or a null.
    package subscript(path path: String) -> JSONValue? {
        var found = self
        for name in path.split(separator: ".") {
            guard let next = found[String(name)] else { return nil }
            found = next
        }
        if found.isNull { return nil }
        return found
    }

    /// Lays a stronger value over this one: objects merge member by member, new members last; anything else is replaced.
    package func overlaid(by stronger: JSONValue) -> JSONValue {
        guard case .object(let members) = self, case .object(let others) = stronger else { return stronger }
        var merged = JSONObjectBuilder()
        for member in members { merged.set(member.name, to: member.value) }
        for member in others { merged.merge(member.value, into: member.name) }
        return .object(merged.object)
    }
}
