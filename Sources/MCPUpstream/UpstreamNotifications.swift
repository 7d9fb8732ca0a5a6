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
        /// The resource of this URI has changed: for those who have asked to be told.
        case updated([UInt8], uri: String)
        /// Something that concerns one client's session alone, outside of its requests.
        case said([UInt8], session: String)
        /// The same session's client is asked something, outside of its requests.
        case asked(UpstreamQuestion, session: String)
        /// A server has come, or has come back, and may have other tools than before.
        case arrived
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
    /// - Parameter reply: its ranges are offsets from the first readable byte.
    package func announce(_ message: ByteBuffer, _ reply: Reply) {
        let bytes = Array(message.readableBytesView)
        guard bytes.withUnsafeBytes({ reply.isResourceUpdate($0) }) else { return announce(.changed(bytes)) }
        guard let params = reply.params, let uri = (try? JSONValue.parse(Array(bytes[params])))?["uri"]?.stringValue else { return }
        announce(.updated(bytes, uri: uri))
    }
}
