// Event streams, reading.

/// Reads a `text/event-stream` (WHATWG HTML, section 9.2.6) however it is cut into chunks: LF, CR and CRLF, byte order
/// mark, comments, several data lines, ids, event types and retry times.
///
/// Holds at most `cap` bytes. An event above it is reported once and passed over up to the blank line that ends it.
/// An event that the end of the stream cuts off is never delivered.
package struct EventStreamParser: Sendable {
    /// What a piece of the stream has completed.
    package enum Event {
        /// One event; the memory is valid during the call only.
        /// - type: `message` unless the stream names another.
        /// - data: may be empty (a priming event); several data lines are joined by line feeds.
        case message(type: String, data: UnsafeRawBufferPointer)
        /// The stream asks to wait that long before a reconnect.
        case retry(milliseconds: UInt64)
        /// An event grew above the cap and is lost.
        case overflow
    }

    /// The most that one event's data and one line of it may have together, in bytes.
    package let cap: Int
    /// The id to resume after: as of the last event that was ended by a blank line.
    package private(set) var lastEventID = ""

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var type = ""
    private var id = ""
    /// False until the first line is over, which may begin with a byte order mark.
    private var hasBegun = false
    /// The last byte was a carriage return, so a line feed would belong to it.
    private var skipsLineFeed = false
    private var isPassingOver = false
    /// Whether the line that is being passed over has had any bytes.
    private var passedLineIsBlank = true

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
        line.append(contentsOf: bytes)
    }

    private mutating func endLine(with tail: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !isPassingOver else {
            if tail.isEmpty && passedLineIsBlank { dispatch(deliver) }
            passedLineIsBlank = true
            return
        }
        guard fits(tail) else { return passOver(deliver) }
        guard !line.isEmpty else { return read(tail, deliver) }
        line.append(contentsOf: tail)
        var whole: [UInt8] = []
        swap(&whole, &line)
        whole.withUnsafeBytes { read($0, deliver) }
        whole.clear()
        swap(&whole, &line)
    }

    private func fits(_ bytes: UnsafeRawBufferPointer) -> Bool { data.count + line.count + bytes.count <= cap }

    private mutating func passOver(_ deliver: (Event) -> Void) {
        isPassingOver = true
        line = []
        data = []
        deliver(.overflow)
    }

    // MARK: Fields

    private mutating func read(_ wholeLine: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        var line = wholeLine
        if !hasBegun {
            hasBegun = true
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.piece(3..<line.count) }
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
            data.append(contentsOf: value)
            data.append(.lineFeed)
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
        if !data.isEmpty {
            data.removeLast()
            let type = type.isEmpty ? "message" : type
            data.withUnsafeBytes { deliver(.message(type: type, data: $0)) }
        }
        data.clear()
        type = ""
        isPassingOver = false
    }
}
