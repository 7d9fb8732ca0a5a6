// Event streams, reading.

/// Reads a `text/event-stream` (WHATWG HTML, section 9.2.6) however it is cut into chunks: LF, CR and CRLF, byte order
/// mark, comments, several data lines, ids, event types and retry times.
///
/// Data is handed on as it comes and not held here, so that a large event lies in memory once, at whoever collects it. An
/// event whose lines have more than `cap` bytes is reported once and passed over up to the blank line that ends it.
/// An event that the end of the stream cuts off is never complete.
package struct EventStreamParser: Sendable {
    /// What a piece of the stream has brought.
    package enum Event {
        /// A part of the data of the event under way; the memory is valid during the call only. Several data lines are
        /// joined by line feeds.
        case data(UnsafeRawBufferPointer)
        /// The event is complete, with the data since the last one that was complete or lost; none at all is an empty text
        /// (a priming event).
        /// - type: `message` unless the stream names another.
        case message(type: String)
        /// The stream asks to wait that long before a reconnect.
        case retry(milliseconds: UInt64)
        /// An event grew above the cap and is lost, with what has come of its data.
        case overflow
    }

    /// The most that one event's data and one line of it may have together, in bytes.
    package let cap: Int
    /// The id to resume after: as of the last event that was ended by a blank line.
    package private(set) var lastEventID = ""

    /// The line under way, as long as it is not known to be one of data.
    private var line: [UInt8] = []
    /// Bytes of the line under way, and whether what comes of it is data.
    private var lineBytes = 0
    private var isData = false
    /// Bytes of the event's data, with a line feed for each line that is over; and how many lines of data it has had.
    private var dataBytes = 0
    private var dataLines = 0
    private var type = ""
    private var id = ""
    /// False until the first line is over, or has more bytes than the byte order mark that it may begin with.
    private var hasBegun = false
    /// The last byte was a carriage return, so a line feed would belong to it.
    private var skipsLineFeed = false
    private var isPassingOver = false
    /// Whether the line that is being passed over has had any bytes.
    private var passedLineIsBlank = true

    /// Bytes of a line by which it is known whether it is one of data, and where that begins: its name, the colon, a space.
    private static let opening = 6
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    package init(cap: Int) { self.cap = cap }

    /// Takes the next bytes. `deliver` must not touch this parser.
    package mutating func feed(_ chunk: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !chunk.isEmpty else { return }
        var start = 0
        if skipsLineFeed {
            skipsLineFeed = false
            if chunk[0] == .lineFeed { start = 1 }
        }
        var breaks = LineBreakSearch(chunk)
        while let end = breaks.next(from: start) {
            endLine(with: chunk.piece(start..<end), deliver)
            start = end + 1
            guard chunk[end] == .carriageReturn else { continue }
            if start == chunk.count {
                skipsLineFeed = true
            } else if chunk[start] == .lineFeed {
                start += 1
            }
        }
        if start < chunk.count { hold(chunk.piece(start..<chunk.count), deliver) }
    }

    // MARK: Lines

    private mutating func hold(_ bytes: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !isPassingOver else {
            passedLineIsBlank = false
            return
        }
        guard fits(bytes) else {
            passedLineIsBlank = false
            return passOver(deliver)
        }
        lineBytes += bytes.count
        if isData { return add(bytes, deliver) }
        if hasBegun, line.isEmpty, let value = Self.data(in: bytes) { return beginData(with: value, deliver) }
        line.append(contentsOf: bytes)
        if !hasBegun {
            guard line.count >= Self.byteOrderMark.count else { return }
            hasBegun = true
            if line.starts(with: Self.byteOrderMark) { line.removeFirst(Self.byteOrderMark.count) }
        }
        guard line.count >= Self.opening else { return }
        var whole: [UInt8] = []
        swap(&whole, &line)
        whole.withUnsafeBytes { if let value = Self.data(in: $0) { beginData(with: value, deliver) } }
        if isData { whole.clear() }
        swap(&whole, &line)
    }

    /// The data in the beginning of a line that is one of data; nil for any other, and for one of which that cannot be told yet.
    private static func data(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard bytes.count >= opening, bytes.piece(0..<5).spells("data:") else { return nil }
        return bytes.piece((bytes[5] == .space ? 6 : 5)..<bytes.count)
    }

    private mutating func beginData(with value: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        isData = true
        if dataLines > 0 { withUnsafeBytes(of: UInt8.lineFeed) { deliver(.data($0)) } }
        dataLines += 1
        add(value, deliver)
    }

    private mutating func add(_ value: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        dataBytes += value.count
        lineBytes -= value.count
        if !value.isEmpty { deliver(.data(value)) }
    }

    private mutating func endData() {
        isData = false
        lineBytes = 0
        dataBytes += 1
    }

    private mutating func endLine(with tail: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !isPassingOver else {
            if tail.isEmpty && passedLineIsBlank { dispatch(deliver) }
            passedLineIsBlank = true
            return
        }
        guard fits(tail) else { return passOver(deliver) }
        if isData {
            add(tail, deliver)
            return endData()
        }
        lineBytes = 0
        guard !line.isEmpty else { return read(tail, deliver) }
        line.append(contentsOf: tail)
        var whole: [UInt8] = []
        swap(&whole, &line)
        whole.withUnsafeBytes { read($0, deliver) }
        whole.clear()
        swap(&whole, &line)
    }

    private func fits(_ bytes: UnsafeRawBufferPointer) -> Bool { dataBytes + lineBytes + bytes.count <= cap }

    private mutating func passOver(_ deliver: (Event) -> Void) {
        isPassingOver = true
        line = []
        (lineBytes, isData, dataBytes, dataLines) = (0, false, 0, 0)
        deliver(.overflow)
    }

    // MARK: Fields

    private mutating func read(_ wholeLine: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        var line = wholeLine
        if !hasBegun {
            hasBegun = true
            if line.starts(with: Self.byteOrderMark) { line = line.piece(3..<line.count) }
        }
        guard !line.isEmpty else { return dispatch(deliver) }
        let colon = line.firstOffset(of: .colon) ?? line.count
        var value = line.piece(min(colon + 1, line.count)..<line.count)
        if value.first == .space { value = value.piece(1..<value.count) }
        readField(line.piece(0..<colon), value, deliver)
    }

    /// Takes one field; a comment is a field without a name, which like every unknown one means nothing.
    private mutating func readField(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ deliver: (Event) -> Void
    ) {
        if name.spells("data") {
            beginData(with: value, deliver)
            endData()
        } else if name.spells("event") {
            type = String(decoding: value, as: UTF8.self)
        } else if name.spells("id") {
            if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        } else if name.spells("retry"), let milliseconds = JSONText.unsignedDecimal(value) {
            deliver(.retry(milliseconds: milliseconds))
        }
    }

    private mutating func dispatch(_ deliver: (Event) -> Void) {
        lastEventID = id
        if dataLines > 0 { deliver(.message(type: type.isEmpty ? "message" : type)) }
        (dataBytes, dataLines) = (0, 0)
        type = ""
        isPassingOver = false
    }
}
