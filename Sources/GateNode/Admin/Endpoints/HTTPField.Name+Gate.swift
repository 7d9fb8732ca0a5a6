// Header names that HTTP itself does not know.

import HTTPTypes

extension HTTPField.Name {
    static let xAdminKey = Self.known("X-Admin-Key")
    static let xAPIKey = Self.known("X-API-Key")
    static let xForwardedFor = Self.known("X-Forwarded-For")
    static let xRequestID = Self.known("X-Request-Id")

    /// A name that is spelled out in the source.
    private static func known(_ name: String) -> Self {
        guard let known = Self(name) else { preconditionFailure("\(name) is no header name") }
        return known
    }
}
