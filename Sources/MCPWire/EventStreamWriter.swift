// Event streams, writing.

/// Writes a `text/event-stream`. Every function appends whole lines, so calls may follow one another in any number.
package enum EventStreamWriter {
    /// Appends one event of type `message` (F-MCP-02); line breaks within the data start further data lines.
    /// - Parameter id: left out if nil; characters that an id cannot carry are dropped.
    package static func append(
        _ data: UnsafeRawBufferPointer, id: String? = nil, to output: inout [UInt8]
    ) {
        emit(data, id: id) { output.append(contentsOf: $0) }
    }

    /// Hands one event of type `message` to `sink` piece by piece; a piece is valid during the call only.
    package static func emit(
        _ data: UnsafeRawBufferPointer, id: String? = nil, sink: (UnsafeRawBufferPointer) -> Void
    ) {
        emit("event: message\n", sink)
        if let id { emitField("id: ", id, sink) }
        emit("data: ", sink)
        var breaks = LineBreakSearch(data)
        var start = 0
        while let end = breaks.next(from: start) {
            if end > start { sink(data.piece(start..<end)) }
            emit("\ndata: ", sink)
            let isPair = data[end] == .carriageReturn && end + 1 < data.count && data[end + 1] == .lineFeed
            start = end + (isPair ? 2 : 1)
        }
        if start < data.count { sink(data.piece(start..<data.count)) }
        emit("\n\n", sink)
    }

    /// What stands before and behind the data of such an event, for data without line breaks that is written apart.
    package static func frame(id: String? = nil) -> (before: [UInt8], after: [UInt8]) {
        var event: [UInt8] = []
        append(UnsafeRawBufferPointer(start: nil, count: 0), id: id, to: &event)
        return (Array(event.dropLast(2)), Array(event.suffix(2)))
    }

    /// Appends an event with an id and empty data, from which a client may resume before the first message.
    package static func appendPriming(id: String, to output: inout [UInt8]) {
        let sink = { output.append(contentsOf: $0 as UnsafeRawBufferPointer) }
        emitField("id: ", id, sink)
        emit("data:\n\n", sink)
    }

    /// Appends a comment, which keeps the connection alive and means nothing.
    package static func append(comment: StaticString, to output: inout [UInt8]) {
        let sink = { output.append(contentsOf: $0 as UnsafeRawBufferPointer) }
        emitField(": ", "\(comment)", sink)
        emit("\n", sink)
    }

    /// Appends how long a client should wait before it reconnects.
    package static func append(retryMilliseconds: UInt64, to output: inout [UInt8]) {
        output.append(contentsOf: "retry: \(retryMilliseconds)\n\n".utf8)
    }

    private static func emitField(_ name: StaticString, _ value: String, _ sink: (UnsafeRawBufferPointer) -> Void) {
        emit(name, sink)
        let safe = value.utf8.filter { $0 != .lineFeed && $0 != .carriageReturn && $0 != 0 }
        safe.withUnsafeBytes(sink)
        emit("\n", sink)
    }

    private static func emit(_ text: StaticString, _ sink: (UnsafeRawBufferPointer) -> Void) {
        sink(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
