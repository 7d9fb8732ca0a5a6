// Lines out of pieces of a pipe.

/// Cuts the output of a stdio server into lines, however the pipe cuts it into chunks.
///
/// A line that comes in one chunk is handed on in place. Blank lines are left out, a carriage return before the line
/// feed is not part of the line. A line above the cap is reported once and passed over up to its end.
package struct LineFramer: Sendable {
    /// What a piece of the stream has completed.
    package enum Event {
        /// One line without its end; the memory is valid during the call only.
        case line(UnsafeRawBufferPointer)
        /// A line grew above the cap and is lost.
        case overflow
    }

    /// The longest line in bytes, counted without its line feed.
    package let cap: Int
    private var partial: [UInt8] = []
    private var isPassingOver = false

    package init(cap: Int) { self.cap = cap }

    /// How many bytes of an unfinished line are held.
    package var heldBytes: Int { partial.count }

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
        guard partial.count + tail.count <= cap else {
            partial = []
            return deliver(.overflow)
        }
        guard !partial.isEmpty else { return Self.deliverLine(tail, deliver) }
        partial.append(contentsOf: tail)
        partial.withUnsafeBytes { Self.deliverLine($0, deliver) }
        partial.clear()
    }

    private mutating func hold(_ bytes: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        guard !isPassingOver else { return }
        guard partial.count + bytes.count <= cap else {
            partial = []
            isPassingOver = true
            return deliver(.overflow)
        }
        partial.append(contentsOf: bytes)
    }

    private static func deliverLine(_ line: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        let line = line.last == .carriageReturn ? line.piece(0..<line.count - 1) : line
        if !line.isEmpty { deliver(.line(line)) }
    }
}
