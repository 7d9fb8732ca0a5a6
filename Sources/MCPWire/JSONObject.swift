/// The members of a JSON object in their order, each name once.
package struct JSONObject: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package let name: String
        package var value: JSONValue
    }

    package internal(set) var members: [Member] = []

    package init() {}

    /// The value of a member. Setting nil removes it, setting a new one appends it. Linear in the number of members.
    package subscript(name: String) -> JSONValue? {
        get { members.first { $0.name == name }?.value }
        set {
            let index = members.firstIndex { $0.name == name }
            switch (index, newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    package var isEmpty: Bool { members.isEmpty }
    package var count: Int { members.count }
    package var names: [String] { members.map(\.name) }
}

extension JSONObject: Sequence {
    package func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
}
