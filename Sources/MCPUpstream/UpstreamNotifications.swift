// What concerns more than one client: changed lists, changed resources, and that a server has come.

package import MCPWire
package import NIOCore
import Synchronization

/// Hands what a server announces to whoever listens; the servers exist before the listener does.
package final class UpstreamNotifications: Sendable {
    /// What there is to hear.
    package enum Announcement: Sendable {
        /// A list has changed: a notification for every client.
        case changed([UInt8])
        /// The resource that a server has under this URI has changed: for those who have asked to be told. - Parameter server: its place.
        case updated([UInt8], uri: String, server: Int)
        /// Something that concerns one client alone, outside of its requests.
        case said([UInt8], client: UpstreamClient, server: Int)
        /// The same session's client is asked something, outside of its requests.
        case asked(UpstreamQuestion, session: String)
        /// A server has come, or has come back, and may have other tools than before.
        case arrived(server: Int)
        /// The process, or session, of a server that works for one client alone has come, or come back.
        case joined(UpstreamClient, server: Int)
    }

    private let listener = Mutex<(@Sendable (Announcement) -> Void)?>(nil)

    package init() {}

    /// Names the one listener, which may be called on any event loop; what came before is lost.
    package func listen(_ listener: @escaping @Sendable (Announcement) -> Void) {
        self.listener.withLock { $0 = listener }
    }

    /// Tells whoever listens.
    package func announce(_ item: Announcement) {
        if let listener = listener.withLock({ $0 }) { return listener(item) }
        if case .asked(let question, _) = item { question.refuse() }
    }

    /// A notification that concerns more than one client.
    /// - Parameters:
    ///   - reply: its ranges are offsets from the first readable byte.
    ///   - server: the place of who says it.
    package func announce(_ message: ByteBuffer, _ reply: Reply, of server: Int) {
        let bytes = Array(message.readableBytesView)
        guard let uri = Self.updatedResource(in: bytes, reply) else { return announce(.changed(bytes)) }
        if !uri.isEmpty { announce(.updated(bytes, uri: uri, server: server)) }
    }

    /// The resource that a message says has changed; empty if it does not say which, nil if it says something else.
    package static func updatedResource(in message: [UInt8], _ reply: Reply) -> String? {
        guard message.withUnsafeBytes({ reply.isResourceUpdate($0) }) else { return nil }
        return reply.params.flatMap { (try? JSONValue.parse(Array(message[$0])))?["uri"]?.stringValue } ?? ""
    }
}
