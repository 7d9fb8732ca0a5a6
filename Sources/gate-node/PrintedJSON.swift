import Foundation

/// How the commands print JSON: keys in order, slashes as they are.
enum PrintedJSON {
    static func line(_ value: some Encodable) throws -> String {
        try encode(value, [])
    }

    /// Indented, with a newline at the end, as a file for people.
    static func file(_ value: some Encodable) throws -> String {
        try encode(value, .prettyPrinted) + "\n"
    }

    private static func encode(_ value: some Encodable, _ extra: JSONEncoder.OutputFormatting) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, extra]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
