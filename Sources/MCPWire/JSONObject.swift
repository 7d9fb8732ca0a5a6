// JSON objects that keep the order of their members.

/// The members of a JSON object in their order, each name once.
package struct JSONObject: Sendable, Equatable {
    /// One member; a name occurs once in an object.
    package struct Member: Sendable, Equatable {
        /// The name, unescaped.
        package let name: String
        /// The value, null included.
        package var value: JSONValue
    }

    /// In the order in which they were sent or set.
    package internal(set) var members: [Member] = []

    /// An object without members.
    package init() {}

    /// An object without members that has room for so many.
    package init(capacity: Int) { members.reserveCapacity(capacity) }

    /// Adds a member behind the others. - Parameter name: of none that is there; nobody looks.
    package mutating func append(_ name: String, _ value: JSONValue) {
        members.append(Member(name: name, value: value))
    }

    /// The value of a member. Setting nil removes it, setting a new one appends it. Linear in the number of members.
    package subscript(name: String) -> JSONValue? {
        get { position(of: name).map { members[$0].value } }
        set {
            switch (position(of: name), newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// Where a member is. Names are compared as bytes: anybody can send one whose canonical form costs the square of its length.
    func position(of name: String) -> Int? {
        members.firstIndex { $0.name.utf8.count == name.utf8.count && $0.name.utf8.elementsEqual(name.utf8) }
    }

    /// Whether there is no member.
    package var isEmpty: Bool { members.isEmpty }
    /// How many members there are.
    package var count: Int { members.count }
    /// The names, in order.
    package var names: [String] { members.map(\.name) }
}

extension JSONObject: Sequence {
    /// Walks the members in order.
    package func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
}
