package import NIOCore

/// The header fields of a parsed head: its bytes, and where the known values lie. Nothing is copied until it is asked for.
package struct HTTP1Fields: Sendable {
    /// The whole head, from the start line to the empty line.
    package let bytes: ByteBuffer
    private let slots: HTTP1FieldSlots
    private let start: Int

    init(bytes: ByteBuffer, section: HTTP1FieldSection) {
        self.bytes = bytes
        slots = section.slots
        start = section.start
    }

    /// Whether the field is there.
    package func contains(_ field: HTTP1KnownField) -> Bool {
        slots[field] != nil
    }

    /// The bytes of the first field of that name, without the white space around them.
    package func value(of field: HTTP1KnownField) -> ByteBufferView? {
        guard let span = slots[field] else { return nil }
        return bytes.viewBytes(at: bytes.readerIndex + Int(span.start), length: span.range.count)
    }

    /// The value of the first field of that name as text; bytes that are no UTF-8 become U+FFFD.
    package func string(of field: HTTP1KnownField) -> String? {
        slots[field].map(string(in:))
    }

    /// Looks at the value of the first field of that name without taking hold of it; nil when there is none.
    @inline(__always)
    package func withValue<Result>(
        of field: HTTP1KnownField, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result? {
        guard let span = slots[field] else { return nil }
        return try bytes.withUnsafeReadableBytes { try body($0.part(span.range)) }
    }

    /// Calls `body` with the name (as it was sent) and the value of every field, in order.
    package func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeReadableBytes { bytes in
            var offset = start
            while offset < bytes.count {
                let end = bytes.firstControl(from: offset, to: bytes.count)
                guard end > offset, let line = try? HTTP1FieldLine(bytes, offset..<end) else { return }
                body(bytes.part(line.name), bytes.part(line.value))
                offset = end + 2
            }
        }
    }

    /// Every value of the fields of that name, in order; `name` is in lower case.
    package func strings(named name: StaticString) -> [String] {
        var values: [String] = []
        forEach { candidate, value in
            if candidate.equalsIgnoringCase(name) { values.append(String(decoding: value, as: UTF8.self)) }
        }
        return values
    }

    /// The media type of Content-Type.
    package var contentType: HTTP1MediaType? {
        withValue(of: .contentType) { HTTP1MediaType($0) }
    }

    /// Whether an Accept field allows `type`, itself or by a wild card (RFC 9110 12.5.1); true when there is none.
    ///
    /// Weights are not weighed: a type that is named is a type that the client can read.
    package func accepts(_ type: HTTP1MediaType) -> Bool {
        guard contains(.accept) else { return true }
        var isAccepted = false
        forEach { name, value in
            guard name.equalsIgnoringCase("accept") else { return }
            value.forEachListElement { if HTTP1MediaType.range($0, covers: type) { isAccepted = true } }
        }
        return isAccepted
    }

    func string(in span: HTTP1Span) -> String {
        bytes.withUnsafeReadableBytes { String(decoding: $0.part(span.range), as: UTF8.self) }
    }
}
