// The connection under a streamed answer: what happens to it when the answer cannot be finished, or nobody reads it.

import Glibc
import NIOCore

/// Ends an answer so that no client takes it for a whole one, and one whose client takes no bytes for a while.
struct StreamedConnection: Sendable {
    let channel: any Channel
    /// How long one part of an answer may wait for its client.
    var patience = TimeAmount.seconds(30)

    /// RST and not FIN: an answer to HTTP/1.0 has no other sign that something is missing.
    func reset() {
        channel.eventLoop.execute { [channel] in
            guard let socket = channel as? any SocketOptionProvider else { return channel.close(promise: nil) }
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    /// Watches over one part; to be cancelled when it has been written.
    func watch() -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: patience) { reset() }
    }
}
