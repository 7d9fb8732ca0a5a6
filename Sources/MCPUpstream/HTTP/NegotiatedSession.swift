// What one handshake with an HTTP server gave, with the heads of requests rendered once for all of them.

import GateDomain
import HTTPWire
import MCPWire
import NIOCore

/// The server's session, or that it has none. It never changes; a new handshake makes a new one.
final class NegotiatedSession: Sendable {
    /// Counts the handshakes, so that the loss of an old session is not taken for the loss of the present one.
    let generation: Int
    /// The server's `Mcp-Session-Id`; nil for a server without sessions.
    let id: String?
    /// A POST up to the digits of its Content-Length.
    let postHead: ByteBuffer
    /// Whether there was no handshake and is no session: each request says everything itself (2026-07-28).
    let isStateless: Bool
    private let address: HTTPUpstreamAddress
    private let version: String?

    /// - Parameter version: the revision, sent as `MCP-Protocol-Version`; nil sends none.
    init(_ address: HTTPUpstreamAddress, generation: Int = 0, id: String? = nil, version: String? = nil) {
        isStateless = version == ProtocolRevision.july2026.rawValue
        self.address = address
        self.generation = generation
        self.id = id
        self.version = version
        var head = ByteBuffer()
        HTTP1Writer.beginRequest(method: "POST", target: address.target, into: &head)
        Self.appendFields(address, id, version, into: &head)
        HTTP1Writer.appendField("accept", "application/json, text/event-stream", into: &head)
        HTTP1Writer.appendField("content-type", "application/json", into: &head)
        head.writeStaticString("content-length: ")
        postHead = head
    }

    /// What it is called; nil for a server without sessions.
    var name: HTTPSessionName? { id.map { HTTPSessionName(server: address.description, version: version, id: $0) } }

    /// A whole GET that asks for what a broken stream would have said after that event (2025-11-25, Resumability), or for what the server
    /// says outside of requests if there is none.
    func resumption(after lastEventID: String) -> ByteBuffer {
        var head = ByteBuffer()
        HTTP1Writer.beginRequest(method: "GET", target: address.target, into: &head)
        Self.appendFields(address, id, version, into: &head)
        HTTP1Writer.appendField("accept", "text/event-stream", into: &head)
        if !lastEventID.isEmpty { HTTP1Writer.appendSafe("last-event-id", lastEventID, into: &head) }
        HTTP1Writer.endHead(into: &head)
        return head
    }

    /// A whole DELETE of the session.
    func deletion() -> ByteBuffer {
        var head = ByteBuffer()
        HTTP1Writer.beginRequest(method: "DELETE", target: address.target, into: &head)
        Self.appendFields(address, id, version, into: &head)
        HTTP1Writer.endHead(into: &head)
        return head
    }

    private static func appendFields(
        _ address: HTTPUpstreamAddress, _ id: String?, _ version: String?, into head: inout ByteBuffer
    ) {
        HTTP1Writer.appendSafe("host", address.hostField, into: &head)
        HTTP1Writer.appendSafe("user-agent", "gate-node/\(ProductVersion.current)", into: &head)
        // Without a word of it a server, or what stands before it, may compress what nobody here unpacks.
        HTTP1Writer.appendField("accept-encoding", "identity", into: &head)
        if let authorization = address.authorization { HTTP1Writer.appendSafe("authorization", authorization, into: &head) }
        if let id { HTTP1Writer.appendSafe("mcp-session-id", id, into: &head) }
        if let version { HTTP1Writer.appendSafe("mcp-protocol-version", version, into: &head) }
    }
}
