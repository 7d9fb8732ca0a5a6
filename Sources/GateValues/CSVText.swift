// Comma-separated values that are safe to open in a spreadsheet.

/// RFC 4180, every value in quotes. A value that a spreadsheet would take for a formula gets an apostrophe in front.
package enum CSVText {
    /// The line of the columns' names.
    package static func head(_ columns: [String]) -> [UInt8] {
        Array((columns.joined(separator: ",") + "\r\n").utf8)
    }

    /// Adds one line.
    package static func append(_ row: [String], to bytes: inout [UInt8]) {
        bytes += (row.map(cell).joined(separator: ",") + "\r\n").utf8
    }

    private static func cell(_ value: String) -> String {
        let doubled = value.replacing("\"", with: "\"\"")
        let isFormula = value.unicodeScalars.first.map { "=+-@\t\r\n".unicodeScalars.contains($0) } ?? false
        return isFormula && Double(value) == nil ? "\"'\(doubled)\"" : "\"\(doubled)\""
    }
}
