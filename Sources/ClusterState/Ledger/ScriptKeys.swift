// The KEYS of a script that carries many requests: each name once, and its place.

/// Names in the order in which they were first asked for.
struct ScriptKeys {
    private(set) var names: [String] = []
    private var places: [String: Int] = [:]

    init(_ fixed: String...) {
        for name in fixed { _ = place(of: name) }
    }

    /// Where the name stands in KEYS, counted from 1.
    mutating func place(of name: String) -> Int {
        if let place = places[name] { return place }
        names.append(name)
        places[name] = names.count
        return names.count
    }
}
