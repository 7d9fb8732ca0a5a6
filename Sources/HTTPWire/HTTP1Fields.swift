// The fields of a head that was read, as places in its bytes.

public import NIOCore

/// The header fields of a parsed head: its bytes, and where the known values lie. Nothing is copied until it is asked for.
@usableFromInline
package struct HTTP1Fields: Sendable {
    /// The whole head, from the start line to the empty line.
    @usableFromInline package let bytes: ByteBuffer
    @usableFromInline let slots: HTTP1FieldSlots
    private let start: Int

    init(bytes: ByteBuffer, section: HTTP1FieldSection) {
        self.bytes = bytes
        slots = section.slots
        start = section.start
    }

    /// Whether the field is there.
    @inlinable
    package func contains(_ field: HTTP1KnownField) -> Bool {
        slots[field] != nil
    }

    /// Whether a field is there twice that says again what the body says.
    package var contradictsBody: Bool { slots.contradictsBody }

    /// The bytes of the first field of that name, without the white space around them.
    package func value(of field: HTTP1KnownField) -> ByteBufferView? {
        guard let span = slots[field] else { return nil }
        return bytes.viewBytes(at: bytes.readerIndex + Int(span.start), length: span.range.count)
    }

    /// The value of the first field of that name as text; bytes that are no UTF-8 become U+FFFD.
    package func string(of field: HTTP1KnownField) -> String? {
        guard let span = slots[field] else { return nil }
        return string(in: span)
    }

    /// Looks at the value of the first field of that name without taking hold of it; nil when there is none.
    @inlinable @inline(__always)
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

    /// Every value of the fields of a name that is known at run time alone, in order. - Parameter name: in any case.
    package func strings(namedByOperator name: String) -> [String] {
        let wanted = Array(name.utf8)
        var values: [String] = []
        wanted.withUnsafeBytes { wanted in
            forEach { candidate, value in
                if candidate.equalsIgnoringCase(wanted) { values.append(String(decoding: value, as: UTF8.self)) }
            }
        }
        return values
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
        guard var isAccepted = withValue(of: .accept, { HTTP1MediaType.list($0, covers: type) }) else { return true }
        // The first says it mostly, and the others are only found by going through all fields.
        guard !isAccepted else { return true }
        forEach { name, value in
            if !isAccepted, name.equalsIgnoringCase("accept") { isAccepted = HTTP1MediaType.list(value, covers: type) }
        }
        return isAccepted
    }

    func string(in span: HTTP1Span) -> String {
        bytes.withUnsafeReadableBytes { String(decoding: $0.part(span.range), as: UTF8.self) }
    }
}

/// Where the values of the known fields lie in the head, kept inline so that a request costs no allocation for its fields.
@usableFromInline
struct HTTP1FieldSlots: Sendable {
    /// One 32 bit slot a known field: the value's span, or zero (no value starts at offset 0, where the start line is).
    /// There are 28 slots; the test of all known fields traps in a debug build when they do not suffice.
    @usableFromInline var words: Words = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    /// Whether a field came again that says again what the body says (`HTTP1KnownField.mirrorsBody`).
    private(set) var contradictsBody = false

    @usableFromInline typealias Words = (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    )

    /// The value of the first field of that name.
    @inlinable @inline(__always)
    subscript(field: HTTP1KnownField) -> HTTP1Span? {
        let slot = withUnsafeBytes(of: words) { $0.load(fromByteOffset: Int(field.rawValue) &* 4, as: UInt32.self) }
        guard slot != 0 else { return nil }
        return HTTP1Span(Int(slot & 0xFFFF)..<Int(slot &>> 16))
    }

    /// Keeps the first value of each field; throws when a field that may occur once comes again.
    @inline(__always)
    mutating func note(_ field: HTTP1KnownField, _ value: Range<Int>) throws(HTTP1Fault) {
        guard self[field] == nil else {
            if field.mayRepeat { return }
            if field.mirrorsBody {
                contradictsBody = true
                return
            }
            throw .repeatedField(field)
        }
        let slot = UInt32(truncatingIfNeeded: value.lowerBound) | UInt32(truncatingIfNeeded: value.upperBound) &<< 16
        withUnsafeMutableBytes(of: &words) { $0.storeBytes(of: slot, toByteOffset: Int(field.rawValue) &* 4, as: UInt32.self) }
    }
}

/// Where something lies in a head: two 16 bit offsets, because a head is at most 65,535 bytes long.
@usableFromInline
struct HTTP1Span: Sendable {
    @usableFromInline var start: UInt16
    @usableFromInline var end: UInt16

    @inlinable @inline(__always)
    init(_ range: Range<Int>) {
        start = UInt16(truncatingIfNeeded: range.lowerBound)
        end = UInt16(truncatingIfNeeded: range.upperBound)
    }

    @inlinable @inline(__always)
    var range: Range<Int> { Int(start)..<Int(end) }

    var isEmpty: Bool { start == end }
}

/// The media types that decide how a body is read; everything else is `other`.
@usableFromInline
package enum HTTP1MediaType: Sendable {
    case json, eventStream, form, other

    /// The type that a Content-Type value names; its parameters are not looked at.
    init(_ value: UnsafeRawBufferPointer) {
        let type = Self.withoutParameters(value)
        if type.equalsIgnoringCase("application/json") {
            self = .json
        } else if type.equalsIgnoringCase("text/event-stream") {
            self = .eventStream
        } else if type.equalsIgnoringCase("application/x-www-form-urlencoded") {
            self = .form
        } else {
            self = .other
        }
    }

    /// Whether one of the media ranges of an Accept field covers `type`.
    static func list(_ ranges: UnsafeRawBufferPointer, covers type: Self) -> Bool {
        var isCovered = false
        ranges.forEachListElement { if !isCovered, range($0, covers: type) { isCovered = true } }
        return isCovered
    }

    /// Whether one media range of an Accept field covers `type`.
    static func range(_ element: UnsafeRawBufferPointer, covers type: Self) -> Bool {
        let range = withoutParameters(element)
        if range.equals("*/*") { return true }
        switch type {
        case .json: return range.equalsIgnoringCase("application/json") || range.equalsIgnoringCase("application/*")
        case .eventStream: return range.equalsIgnoringCase("text/event-stream") || range.equalsIgnoringCase("text/*")
        case .form, .other: return false
        }
    }

    private static func withoutParameters(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var end = 0
        while end < value.count, value[end] != HTTP1Byte.semicolon { end += 1 }
        return value.part(0..<end).trimmed()
    }
}
