/// Everything before the body of an upstream's final answer.
package struct HTTP1ResponseHead: Sendable {
    /// 200 to 599; provisional answers are skipped.
    package let status: Int
    package let fields: HTTP1Fields
    package let framing: HTTP1Framing
    /// Whether the connection may carry another request after this answer.
    package let keepAlive: Bool
    /// How the body is to be read; `other` also when nothing says so.
    package let contentType: HTTP1MediaType

    init(status: Int, fields: HTTP1Fields, framing: HTTP1Framing, keepAlive: Bool) {
        self.status = status
        self.fields = fields
        self.framing = framing
        self.keepAlive = keepAlive
        contentType = fields.contentType ?? .other
    }

    /// The session that the upstream opened.
    package var mcpSessionID: String? { fields.string(of: .mcpSessionID) }

    /// Seconds after which the upstream wants to be asked again; nil also for the form that is a date.
    package var retryAfter: Int? {
        fields.withValue(of: .retryAfter) { $0.decimalNumber() } ?? nil
    }
}
