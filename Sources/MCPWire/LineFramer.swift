// Lines out of pieces of a pipe.

/// Cuts the output of a stdio server into lines, however the pipe cuts it into chunks.
///
/// A line that comes in one chunk is handed on in place, a longer one in the parts in which it comes: nothing of it is held
/// here. Blank lines are left out, a carriage return before the line feed is not part of the line. A line above the cap is
/// reported once and passed over up to its end.
package struct LineFramer: Sendable {
    /// What a piece of the stream has brought; memory is valid during the call only.
    package enum Event {
        /// One line without its end.
        case line(UnsafeRawBufferPointer)
        /// A part of a line whose end comes with another chunk.
        case part(UnsafeRawBufferPointer)
        /// The line that has come in parts is over. All that it has may be the carriage return before its line feed, and
        /// what it has may end with one.
        case end
        /// A line grew above the cap and is lost, with what has come of it.
        case overflow
    }

    /// The longest line in bytes, counted without its line feed.
    package let cap: Int
    /// How many bytes of an unfinished line have been handed on.
    package private(set) var partialBytes = 0
    private var isPassingOver = false

    package init(cap: Int) { self.cap = cap }

    /// Takes the next bytes. `deliver` must not touch this framer.
    package mutating func feed(_ chunk: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        var start = 0
        while let end = chunk.firstOffset(of: .lineFeed, from: start) {
            endLine(with: chunk.piece(start..<end), deliver)
            start = end + 1
        }
        if start < chunk.count { hold(chunk.piece(start..<chunk.count), deliver) }
    }

    /// Takes the end of the stream: a last line needs no line feed.
    package mutating func finish(_ deliver: (Event) -> Void) {
        endLine(with: UnsafeRawBufferPointer(start: nil, count: 0), deliver)
    }

    private mutating func endLine(with tail: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !isPassingOver else {
            isPassingOver = false
            return
        }
        defer { partialBytes = 0 }
        guard partialBytes + tail.count <= cap else { return deliver(.overflow) }
        guard partialBytes > 0 else { return Self.deliverLine(tail, deliver) }
        if !tail.isEmpty { deliver(.part(tail)) }
        deliver(.end)
    }

    private mutating func hold(_ bytes: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !isPassingOver else { return }
        guard partialBytes + bytes.count <= cap else {
            partialBytes = 0
            isPassingOver = true
            return deliver(.overflow)
        }
        partialBytes += bytes.count
        deliver(.part(bytes))
    }

    private static func deliverLine(_ line: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        let line = line.last == .carriageReturn ? line.piece(0..<line.count - 1) : line
        if !line.isEmpty { deliver(.line(line)) }
    }
}
