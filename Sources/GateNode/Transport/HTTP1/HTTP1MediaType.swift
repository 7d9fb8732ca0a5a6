/// The media types that decide how a body is read; everything else is `other`.
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
