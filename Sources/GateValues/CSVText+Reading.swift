// Comma-separated values as spreadsheets and `CSVText` write them, read strictly.

extension CSVText {
    /// Why a text is no table.
    package struct Fault: Error, Sendable, Equatable {
        /// A whole sentence for people.
        package let sentence: String
    }

    /// The lines of a table with a head, each as its values by the names of the columns (RFC 4180). Lines end with LF or CRLF; a value in quotes
    /// may hold either, commas, and quotes twice. The apostrophe that keeps a value from being a formula is taken off again.
    /// - Parameters:
    ///   - bytes: UTF-8, with or without a byte order mark.
    ///   - rows: lines at most, without the head.
    ///   - columns: columns at most.
    /// - Throws: `Fault` where there is no head, or a name stands in it twice or is no short ASCII; a line has another number of values, a quote is open at the end or
    ///   stands inside of a value, there are too many lines or columns, or the bytes are no UTF-8.
    package static func rows(in bytes: [UInt8], upTo rows: Int, columns: Int = 100) throws(Fault) -> [[String: String]] {
        var reader = CSVReader(bytes: bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...], mostValues: columns)
        guard let head = try reader.next() else { throw Fault(sentence: "The table is empty.") }
        // Names in ASCII are compared in the time that they are long.
        guard head.allSatisfy({ $0.utf8.count <= longestName && $0.utf8.allSatisfy { $0 < 0x80 } }) else {
            throw Fault(sentence: "The first line must name columns in at most \(longestName) ASCII characters each.")
        }
        guard Set(head.map(\.utf8.count)) != [0], Set(head).count == head.count else {
            throw Fault(sentence: "The first line must name each column once.")
        }
        var found: [[String: String]] = []
        while let line = try reader.next() {
            guard reader.line <= 2 * rows + 100 else { throw Fault(sentence: "The table has more than \(rows) lines.") }
            if line.count == 1, line[0].isEmpty { continue }
            guard line.count == head.count else {
                throw Fault(sentence: "Line \(reader.line) has \(line.count) values and not \(head.count).")
            }
            guard found.count < rows else { throw Fault(sentence: "The table has more than \(rows) lines.") }
            found.append(Dictionary(uniqueKeysWithValues: zip(head, line)))
        }
        return found
    }

    /// Bytes of a column's name.
    private static let longestName = 100
}

/// Hands out the values of one line after the other.
private struct CSVReader {
    var bytes: ArraySlice<UInt8>
    let mostValues: Int
    /// Of the table, the head is 1.
    private(set) var line = 0

    init(bytes: ArraySlice<UInt8>, mostValues: Int) {
        self.bytes = bytes
        self.mostValues = mostValues
    }

    mutating func next() throws(CSVText.Fault) -> [String]? {
        if bytes.isEmpty { return nil }
        line += 1
        var values: [String] = []
        while true {
            guard values.count < mostValues else { throw CSVText.Fault(sentence: "Line \(line) has more than \(mostValues) values.") }
            values.append(try value())
            guard let byte = bytes.popFirst() else { return values }
            switch byte {
            case UInt8(ascii: ","): if bytes.isEmpty { return values + [""] }
            case UInt8(ascii: "\n"): return values
            case UInt8(ascii: "\r") where bytes.first == UInt8(ascii: "\n"):
                bytes.removeFirst()
                return values
            default: throw CSVText.Fault(sentence: "Line \(line) has something behind a value in quotes.")
            }
        }
    }

    private mutating func value() throws(CSVText.Fault) -> String {
        guard bytes.first == UInt8(ascii: "\"") else {
            let end = bytes.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") } ?? bytes.endIndex
            let raw = bytes[..<end]
            guard !raw.contains(UInt8(ascii: "\"")) else { throw CSVText.Fault(sentence: "Line \(line) has a quote inside of a value.") }
            bytes = bytes[end...]
            return try text(raw)
        }
        bytes.removeFirst()
        var raw: [UInt8] = []
        while let quote = bytes.firstIndex(of: UInt8(ascii: "\"")) {
            raw += bytes[..<quote]
            bytes = bytes[(quote + 1)...]
            guard bytes.first == UInt8(ascii: "\"") else { return try text(raw[...]) }
            raw.append(UInt8(ascii: "\""))
            bytes.removeFirst()
        }
        throw CSVText.Fault(sentence: "Line \(line) begins a value in quotes that never ends.")
    }

    private func text(_ raw: ArraySlice<UInt8>) throws(CSVText.Fault) -> String {
        let isGuarded = raw.first == UInt8(ascii: "'") && raw.dropFirst().first.map { "=+-@\t\r\n".utf8.contains($0) } ?? false
        guard let text = String(validating: isGuarded ? raw.dropFirst() : raw, as: UTF8.self) else {
            throw CSVText.Fault(sentence: "Line \(line) is no UTF-8.")
        }
        return text
    }
}
