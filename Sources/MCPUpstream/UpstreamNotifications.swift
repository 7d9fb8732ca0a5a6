// Notifications of the servers that concern every client, such as `tools/list_changed`.

package import NIOCore
import Synchronization

/// Hands what a server announces to whoever listens; the servers exist before the listener does.
package final class UpstreamNotifications: Sendable {
    private let listener = Mutex<(@Sendable ([UInt8]) -> Void)?>(nil)

    package init() {}

    /// Names the one listener, which may be called on any event loop; what came before is lost.
    package func listen(_ listener: @escaping @Sendable ([UInt8]) -> Void) {
        self.listener.withLock { $0 = listener }
    }

    /// - Parameter message: the whole JSON-RPC notification.
    package func announce(_ message: ByteBuffer) {
        let bytes = Array(message.readableBytesView)
        listener.withLock { $0 }?(bytes)
    }
}
