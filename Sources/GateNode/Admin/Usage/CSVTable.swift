// Comma-separated values that are safe to open in a spreadsheet.

/// RFC 4180, every value in quotes. A value that a spreadsheet would take for a formula gets an apostrophe in front.
struct CSVTable {
    private(set) var bytes: [UInt8] = []

    init(columns: [String]) {
        bytes += (columns.joined(separator: ",") + "\r\n").utf8
    }

    mutating func add(_ row: [String]) {
        bytes += (row.map(Self.cell).joined(separator: ",") + "\r\n").utf8
    }

    private static func cell(_ value: String) -> String {
        let doubled = value.replacing("\"", with: "\"\"")
        let isFormula = value.unicodeScalars.first.map { "=+-@\t\r\n".unicodeScalars.contains($0) } ?? false
        return isFormula && Double(value) == nil ? "\"'\(doubled)\"" : "\"\(doubled)\""
    }
}
