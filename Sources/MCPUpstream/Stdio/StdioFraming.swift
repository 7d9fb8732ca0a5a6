// Cuts a server's output into messages, and tells whose answer a line was that is too long to keep.

import MCPWire
import NIOCore

/// A `LineFramer` that collects the line under way, and keeps its two ends: the id of a JSON-RPC answer stands before its result
/// (Python SDK) or after it (TypeScript SDK), so that it is known although the line is lost.
struct StdioFraming {
    enum Event {
        /// The memory is valid during the call only.
        case line(UnsafeRawBufferPointer)
        /// A line that came in parts, in memory of its own, which nobody else has.
        case collected(ByteBuffer)
        /// A line above the cap has ended; the number is its id, if that can be told.
        case overlong(id: UInt64?)
    }

    private var framer: LineFramer
    private var collected = ByteBuffer()
    private var ends = LineEnds()
    private var isOverlong = false

    /// - Parameter cap: the longest line in bytes.
    init(cap: Int) {
        framer = LineFramer(cap: cap)
    }

    mutating func feed(_ chunk: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        if !isOverlong, framer.partialBytes + chunk.count <= framer.cap {
            feed(piece: chunk, deliver)
            if let end = chunk.lastOffset(of: .lineFeed) {
                ends.begin(with: chunk.piece(end + 1..<chunk.count))
            } else {
                ends.grow(by: chunk)
            }
        } else {
            feedLineByLine(chunk, deliver)
        }
    }

    /// The slow way, taken when a line may exceed the cap: one line, or piece of a line, at a time.
    private mutating func feedLineByLine(_ chunk: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        var start = 0
        while let end = chunk.firstOffset(of: .lineFeed, from: start) {
            ends.grow(by: chunk.piece(start..<end))
            feed(piece: chunk.piece(start..<end + 1), deliver)
            if isOverlong { deliver(.overlong(id: ends.id)) }
            isOverlong = false
            ends.begin(with: [])
            start = end + 1
        }
        let rest = chunk.piece(start..<chunk.count)
        ends.grow(by: rest)
        feed(piece: rest, deliver)
    }

    /// The id that the ends of a whole line show.
    static func id(of line: UnsafeRawBufferPointer) -> UInt64? {
        var ends = LineEnds()
        ends.grow(by: line)
        return ends.id
    }

    private mutating func feed(piece: UnsafeRawBufferPointer, _ deliver: (Event) -> Void) {
        var overflows = false
        // The only one that has it, so that it grows where it lies.
        var line = ByteBuffer()
        swap(&line, &collected)
        framer.feed(piece) { event in
            switch event {
            case .line(let line): deliver(.line(line))
            case .part(let part): line.writeBytes(part)
            case .end:
                if let whole = Self.taken(from: &line) { deliver(.collected(whole)) }
            case .overflow:
                line = ByteBuffer()
                overflows = true
            }
        }
        swap(&line, &collected)
        if overflows { isOverlong = true }
    }

    /// The line without its carriage return; nil for a blank one.
    private static func taken(from line: inout ByteBuffer) -> ByteBuffer? {
        var whole = ByteBuffer()
        swap(&whole, &line)
        if whole.readableBytesView.last == UInt8(ascii: "\r") { whole.moveWriterIndex(to: whole.writerIndex - 1) }
        return whole.readableBytes > 0 ? whole : nil
    }
}

/// The first and the last bytes of a line, and the id that they show.
private struct LineEnds {
    private static let length = 256
    private var head: [UInt8] = []
    private var tail: [UInt8] = []

    mutating func begin(with piece: some Collection<UInt8>) {
        head.removeAll(keepingCapacity: true)
        tail.removeAll(keepingCapacity: true)
        grow(by: piece)
    }

    mutating func grow(by piece: some Collection<UInt8>) {
        guard !piece.isEmpty else { return }
        head.append(contentsOf: piece.prefix(Self.length - head.count))
        tail.append(contentsOf: piece.suffix(Self.length))
        if tail.count > Self.length { tail.removeFirst(tail.count - Self.length) }
    }

    var id: UInt64? { idBeforeTheBody ?? idAtTheEnd }

    /// `{"jsonrpc":"2.0","id":12,"result":…`
    private var idBeforeTheBody: UInt64? {
        let text = String(decoding: head, as: UTF8.self)
        let bodies = ["\"result\"", "\"error\"", "\"params\"", "\"method\""].compactMap { text.firstRange(of: $0) }
        let front = text[..<(bodies.map(\.lowerBound).min() ?? text.endIndex)]
        guard let name = front.firstRange(of: "\"id\"") else { return nil }
        let value = front[name.upperBound...].drop { $0.isWhitespace || $0 == ":" }.prefix { $0.isNumber }
        // A number that runs into the end of the head may be cut.
        return value.endIndex == text.endIndex ? nil : UInt64(value)
    }

    /// `…,"jsonrpc":"2.0","id":12}`
    private var idAtTheEnd: UInt64? {
        var text = Substring(decoding: tail, as: UTF8.self)
        func trimEnd() { while text.last?.isWhitespace == true { text.removeLast() } }
        trimEnd()
        guard text.popLast() == "}" else { return nil }
        trimEnd()
        let digits = String(text.reversed().prefix { $0.isNumber }.reversed())
        text.removeLast(digits.count)
        trimEnd()
        guard text.popLast() == ":" else { return nil }
        trimEnd()
        return text.hasSuffix("\"id\"") ? UInt64(digits) : nil
    }
}

extension UInt8 {
    fileprivate static let lineFeed = UInt8(ascii: "\n")
}
