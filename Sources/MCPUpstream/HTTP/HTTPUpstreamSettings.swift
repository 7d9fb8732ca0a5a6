// The bounds of an HTTP server; every queue and every wait of it has its limit here.

package import GateDomain
package import NIOCore

/// An HTTP server with the bounds of everything that is kept or waited for.
package struct HTTPUpstreamSettings: Sendable {
    /// Where it is.
    package let address: HTTPUpstreamAddress
    /// With several servers, the name before the tool.
    package var prefix: String?
    /// Whom the session belongs to; nil if clients share it.
    package var client: UpstreamClient?
    /// Whether what the server says outside of requests is listened to, on a stream of its session.
    package var listens = false
    /// Whether the server is asked first whether it is of the revision 2026-07-28.
    package var probes = false
    /// The longest body of an answer, and the longest whole stream, in bytes; 0 for no limit (F-MCP-11).
    package var maxResponseBytes = 10 << 20
    /// Connections of one event loop. Handshakes and second attempts may go beyond it for a moment.
    package var maxConnections = 256
    /// Requests of one event loop that may wait for a connection.
    package var maxWaiting = 1_024
    /// For the name, TCP and TLS, each time a connection is made.
    package var connectTimeout = TimeAmount.seconds(2)
    /// How long an unused connection is kept; a shorter time that the server announces (`Keep-Alive: timeout`) wins.
    package var idleLimit = TimeAmount.seconds(30)
    /// How long it is kept where the server announces nothing. Servers that close unused connections do so after 2 s (gunicorn) or 5 s
    /// (uvicorn, Node), and one that is busy may close just while a request lies unread in front of it: then nobody knows what became of that.
    package var unannouncedIdleLimit = TimeAmount.milliseconds(1500)
    /// How long the server may take for `initialize`, and for messages that have no answer.
    package var handshakeLimit = TimeAmount.seconds(10)
    /// How long it may take to say of which era it is; one that is silent is of that with sessions.
    package var probeLimit = TimeAmount.seconds(5)
    /// How long `stop` waits for answers that are still owed.
    package var drainLimit = TimeAmount.seconds(3)
    /// How often a server without any connection is asked whether it is still there.
    package var probeInterval = TimeAmount.seconds(2)
    /// The pauses between handshakes while the server is away double from the one to the other.
    package var shortestPause = TimeAmount.milliseconds(250)
    /// No pause is longer.
    package var longestPause = TimeAmount.seconds(5)
    /// A PEM file of certificates that are trusted beside the system's.
    package var additionalTrustRoots: String?

    /// - Throws: if the URL is none of the http or https scheme.
    package init(url: String, prefix: String? = nil) throws(StartupFailure) {
        guard let address = HTTPUpstreamAddress(url: url) else {
            throw StartupFailure("The URL of the MCP server is not a valid http or https URL.", status: .invalidConfiguration)
        }
        self.address = address
        self.prefix = prefix
    }

    /// The limit as a number that every size can be compared with; no answer is larger than one piece of memory may be.
    var responseLimit: Int { maxResponseBytes == 0 ? 1 << 30 : min(maxResponseBytes, 1 << 30) }
}
