// Other tokens in the place of some, in bytes that else stay as they are.

/// Puts other tokens into the place of some, byte for byte around them: ids and progress tokens on their way through.
package enum Splice {
    /// What stands in the place of a range.
    package enum Replacement: Sendable {
        /// These bytes as they are.
        case bytes([UInt8])
        /// The number's decimal digits.
        case decimal(UInt64)
    }

    /// One range of the source (byte offsets) and what stands there instead.
    package struct Edit: Sendable {
        /// Byte offsets in the source.
        package var range: Range<Int>
        /// What stands there instead.
        package var replacement: Replacement

        package init(_ range: Range<Int>, _ replacement: Replacement) {
            self.range = range
            self.replacement = replacement
        }
    }

    /// What becomes of line ends in the source.
    package enum Lines: Sendable {
        /// They stay.
        case kept
        /// Raw line feeds and carriage returns of the source become spaces, as newline framing needs it. In valid JSON
        /// they only stand between tokens.
        case joined
    }

    /// The source with the edits done. They have to be in order and must not overlap.
    package static func apply(
        _ edits: [Edit], to source: UnsafeRawBufferPointer, lines: Lines = .kept
    ) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(source.count + 20 * edits.count)
        append(edits, to: source, lines: lines, output: &output)
        return output
    }

    /// Appends the source with the edits done to `output`.
    package static func append(
        _ edits: [Edit], to source: UnsafeRawBufferPointer, lines: Lines = .kept, output: inout [UInt8]
    ) {
        emit(edits, to: source, lines: lines) { output.append(contentsOf: $0) }
    }

    /// Hands the edited source to `sink` piece by piece; a piece is valid during the call only. Copies nothing.
    package static func emit(
        _ edits: [Edit], to source: UnsafeRawBufferPointer, lines: Lines = .kept,
        sink: (UnsafeRawBufferPointer) -> Void
    ) {
        var position = 0
        for edit in edits { emit(edit, to: source, from: &position, lines: lines, sink: sink) }
        emit(source.piece(position..<source.count), lines: lines, sink: sink)
    }

    /// The same for one edit or two in any order, without an array: an id and a progress token.
    package static func emit(
        _ first: Edit, _ second: Edit?, to source: UnsafeRawBufferPointer, lines: Lines = .kept,
        sink: (UnsafeRawBufferPointer) -> Void
    ) {
        var position = 0
        if let second, second.range.lowerBound < first.range.lowerBound {
            emit(second, to: source, from: &position, lines: lines, sink: sink)
            emit(first, to: source, from: &position, lines: lines, sink: sink)
        } else {
            emit(first, to: source, from: &position, lines: lines, sink: sink)
            if let second { emit(second, to: source, from: &position, lines: lines, sink: sink) }
        }
        emit(source.piece(position..<source.count), lines: lines, sink: sink)
    }

    private static func emit(
        _ edit: Edit, to source: UnsafeRawBufferPointer, from position: inout Int, lines: Lines,
        sink: (UnsafeRawBufferPointer) -> Void
    ) {
        emit(source.piece(position..<edit.range.lowerBound), lines: lines, sink: sink)
        switch edit.replacement {
        case .bytes(let bytes): bytes.withUnsafeBytes(sink)
        case .decimal(let number): JSONText.withDecimal(number, sink)
        }
        position = edit.range.upperBound
    }

    private static func emit(_ piece: UnsafeRawBufferPointer, lines: Lines, sink: (UnsafeRawBufferPointer) -> Void) {
        guard case .joined = lines else { return sink(piece) }
        var breaks = LineBreakSearch(piece)
        var start = 0
        while let end = breaks.next(from: start) {
            if end > start { sink(piece.piece(start..<end)) }
            withUnsafeBytes(of: UInt8.space, sink)
            start = end + 1
        }
        if start < piece.count { sink(piece.piece(start..<piece.count)) }
    }
}
