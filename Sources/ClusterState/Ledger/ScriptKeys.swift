// The KEYS of a script that carries many requests: each name once, and its place.

import GateDomain

/// Names in the order in which they were first asked for.
struct ScriptKeys {
    private(set) var names: [String] = []
    private var places: [String: Int] = [:]

    /// So many names are found by looking at each; the calls of a tick are mostly those of a few keys.
    private static let few = 8

    init(_ fixed: String...) { names = fixed }

    /// Where the name stands in KEYS, counted from 1.
    mutating func place(of name: String) -> Int {
        if names.count <= Self.few {
            if let index = names.lastIndex(where: { $0.hasSameBytes(as: name) }) { return index + 1 }
        } else if let place = places[name] {
            return place
        }
        names.append(name)
        if names.count > Self.few {
            if places.isEmpty {
                for (index, name) in names.enumerated() { places[name] = index + 1 }
            } else {
                places[name] = names.count
            }
        }
        return names.count
    }
}
