// How a variable of a server process is written: by its name alone, or with a value.

/// `NAME` passes the node's own value on, `NAME=value` sets one.
enum EnvironmentEntry {
    static let rule = "Must be NAME or NAME=value, with letters, digits and underscores in the name."

    /// Whether a text names a variable, with or without a value.
    static func isEntry(_ entry: String) -> Bool {
        let name = entry.prefix { $0 != "=" }
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
        return !entry.utf8.contains(0)
            && name.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
    }
}
