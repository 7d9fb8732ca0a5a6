/// The bounds that one HTTP/1 message must keep, so that no peer decides how much memory it takes (X34, F-HTTP-03).
package struct HTTP1Limits: Sendable {
    /// Bytes of the request line with its line end; beyond it 414.
    package var startLine: Int
    /// Bytes of start line and fields together; beyond it 431. At most 65,535, because offsets are 16 bits wide.
    package var head: Int
    /// Fields of the head, and of a trailer section; beyond it 431.
    package var fields: Int
    /// Bytes of a body after its transfer coding is taken off; beyond it 413.
    package var body: Int

    package init(startLine: Int = 8_192, head: Int = 32_768, fields: Int = 100, body: Int = 1_048_576) {
        precondition((16...65_535).contains(head), "offsets within a head are 16 bits wide")
        self.startLine = min(startLine, head)
        self.head = head
        self.fields = fields
        self.body = body
    }

    /// What a request may take.
    package static let request = HTTP1Limits()
    /// What the answer of an upstream may take; a status line has no limit of its own.
    package static let response = HTTP1Limits(startLine: 32_768, body: 64 << 20)
}
