// Objects of any size, filled in linear time.

/// Fills an object in linear time: beyond a few members it keeps an index of their names, so that an object of a
/// hundred thousand members costs no quadratic search (X34).
struct JSONObjectBuilder {
    private(set) var object = JSONObject()
    /// By the bytes of the names.
    private var index: [[UInt8]: Int] = [:]
    private static let unindexedCount = 12

    /// Appends the member, or gives the member of that name another value.
    /// - Returns: false if there was a member of that name.
    @discardableResult
    mutating func set(_ name: String, to value: JSONValue) -> Bool {
        if let position = position(of: name) {
            object.members[position].value = value
            return false
        }
        object.members.append(JSONObject.Member(name: name, value: value))
        if !index.isEmpty {
            index[Array(name.utf8)] = object.count - 1
        } else if object.count > Self.unindexedCount {
            for (position, member) in object.members.enumerated() { index[Array(member.name.utf8)] = position }
        }
        return true
    }

    /// Lays a value over the member of that name, or appends it.
    mutating func merge(_ value: JSONValue, into name: String) {
        set(name, to: position(of: name).map { object.members[$0].value.overlaid(by: value) } ?? value)
    }

    private func position(of name: String) -> Int? {
        index.isEmpty ? object.position(of: name) : index[Array(name.utf8)]
    }
}
