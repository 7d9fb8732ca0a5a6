// What the gate needs of an MCP server, whichever way it is reached: a child on its standard streams, or HTTP.

package import GateDomain
package import NIOCore

/// An MCP server behind the gate, shared by all event loops.
///
/// Whoever implements it owns the handshake (MCP 2025-11-25, Lifecycle: `initialize` is sent once a connection, so a
/// client's own cannot be replayed), and starts the server again when it goes away.
package protocol Upstream: AnyObject, Sendable {
    /// With several servers, the name before the tool (`prefix:tool`).
    var prefix: String? { get }
    /// Whether requests are taken right now, for `/ready`.
    var isConnected: Bool { get }
    /// Why it is not connected, as a sentence that anybody may read: no address, no words of the server.
    var trouble: String? { get }
    /// What the server said of itself in its last handshake.
    var serverInfo: InitializeResult? { get }

    /// Whether it is spoken to in the revision 2026-07-28: then its requests are those of `StatelessRequest`, and it keeps nothing for clients.
    var isStateless: Bool { get }

    /// Has a server without sessions tell of the changes of a resource, or tell no more of them.
    /// - Parameter completion: is called on `loop` with whether it will.
    func watch(_ uri: String, _ isWanted: Bool, on loop: any EventLoop, _ completion: @escaping (Bool) -> Void)

    /// A number for a request, and for its progress token, that no other request of any event loop has.
    func nextNumber() -> UInt64

    /// Forwards a request whose ids are rewritten already.
    /// - Parameter receiver: is called on `loop`, and never from within `send` or `cancel`.
    func send(_ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop)

    /// Gives a request up: the server is told with `notifications/cancelled`, and the receiver gets
    /// `.failed(.cancelled)` unless its outcome came before.
    func cancel(_ number: UInt64, on loop: any EventLoop)

    /// Passes a client's notification on, if the server is there; a notification has no answer and no retry.
    func notify(_ message: ByteBuffer)

    /// Passes a notification of a client on to its own process, or session, if it has one.
    func notify(_ message: ByteBuffer, of client: UpstreamClient)

    /// A client's session has ended, and what the server keeps for it alone.
    func end(session: String)

    /// Somebody listens to what is kept for a session alone: it stays though it has nothing to do.
    func keep(session: String)

    /// Ends a session that another node had there, and that nobody uses any more.
    func end(_ session: HTTPSessionName) async

    /// Whether each node has one of its own, which ends with the node: a process, with all that it keeps.
    var livesWithNode: Bool { get }

    /// The sessions, as clients of the server name them, for which it keeps something of their own.
    var sessions: [String] { get }

    /// Returns when the first handshake is done, or is not done in a time that somebody would wait for. If it fails the error says why,
    /// and the server is tried again in the background until `stop`: the caller decides whether a node without its server is worth having.
    /// - Throws: Why the first handshake failed, in a sentence for the operator.
    func start() async throws(StartupFailure)

    /// Refuses new requests, gives the open ones a moment, and ends the server.
    func stop() async
}

extension Upstream {
    /// It has had a handshake.
    package var isStateless: Bool { false }
    /// It is told with `resources/subscribe`.
    package func watch(_ uri: String, _ isWanted: Bool, on loop: any EventLoop, _ completion: @escaping (Bool) -> Void) {
        completion(false)
    }
    /// It keeps nothing for single clients.
    package func notify(_ message: ByteBuffer, of client: UpstreamClient) {}
    /// It keeps nothing for single clients.
    package func end(session: String) {}
    /// It keeps nothing for single clients.
    package func keep(session: String) {}
    /// It has no sessions, or is another server.
    package func end(_ session: HTTPSessionName) async {}
    /// It is the same for all nodes.
    package var livesWithNode: Bool { false }
    /// It keeps nothing for single clients.
    package var sessions: [String] { [] }
}
