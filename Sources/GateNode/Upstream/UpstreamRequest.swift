package import NIOCore

/// A request on its way to a server: bytes that are ready to be written, and what has to be known about them.
package struct UpstreamRequest: Sendable {
    /// The id, and the progress token, that replaced the client's (`Upstream.nextNumber`).
    package var number: UInt64
    /// The whole JSON-RPC message with the rewritten id.
    package var bytes: ByteBuffer
    /// When to stop waiting; nil waits as long as the server lives.
    package var deadline: NIODeadline?
    /// The server's session that this request belongs to, on HTTP.
    package var sessionID: String?
    /// The revision that was negotiated, for the `MCP-Protocol-Version` header of an HTTP server.
    package var protocolVersion: String?
    /// Whether it is a tool call: work that may have effects and must not be sent twice.
    package var isCall: Bool

    package init(
        number: UInt64,
        bytes: ByteBuffer,
        deadline: NIODeadline? = nil,
        sessionID: String? = nil,
        protocolVersion: String? = nil,
        isCall: Bool = true
    ) {
        self.number = number
        self.bytes = bytes
        self.deadline = deadline
        self.sessionID = sessionID
        self.protocolVersion = protocolVersion
        self.isCall = isCall
    }
}
