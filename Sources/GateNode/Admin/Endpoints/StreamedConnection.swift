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

    /// Ends the connection when its client says that nothing more comes from it, until `answered`, and does something once it has ended,
    /// whoever has ended it: an answer without an end is for somebody who listens.
    func whenEnded(_ act: @escaping @Sendable () async -> Void) {
        // Owned by the connection, which has nothing else to do.
        channel.closeFuture.whenComplete { _ in Task { await act() } }
        channel.pipeline.addHandler(FarEnd(), name: FarEnd.name).whenComplete { _ in }
    }

    /// The answer is over, and another may follow.
    func answered() {
        channel.pipeline.removeHandler(name: FarEnd.name).whenComplete { _ in }
    }

    /// Watches over one part; to be cancelled when it has been written.
    func watch() -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: patience) { reset() }
    }
}

/// Takes a client that closes its end for one that has gone.
private final class FarEnd: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = Any

    static let name = "far end"

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
