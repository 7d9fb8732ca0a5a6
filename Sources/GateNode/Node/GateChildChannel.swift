// Puts the front handler before Hummingbird's router on every accepted connection.

import GateDomain
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes

/// A child channel of the server: strict HTTP/1.1, `/mcp` on the event loop, the router for the rest. A hop to another thread would cost
/// more than the rest of a call (docs/performance.md).
struct GateChildChannel: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    private let loops: LoopContexts

    init(responder: @escaping HTTPChannelHandler.Responder, loops: LoopContexts) {
        self.responder = responder
        self.loops = loops
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let loops = loops
        return channel.eventLoop.makeCompletedFuture {
            let context = try loops.context(of: channel.eventLoop)
            let front = context.front
            let peer = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) } ?? IPAddress(v4: 0x7f00_0001)
            let isTrusted = front.addresses.isTrusted(peer)
            let isLocal = !isTrusted && channel.localAddress?.ipAddress.flatMap { IPAddress($0)?.isLoopback } ?? false
            let hasPlace = isTrusted || loops.doors.enter(peer)
            let refusal = hasPlace ? Self.refusal(at: front, most: loops.connectionsPerLoop) : .address
            if hasPlace, !isTrusted { channel.closeFuture.whenComplete { _ in loops.doors.leave(peer) } }
            try channel.pipeline.syncOperations.addHandler(
                FrontHandler(front: front, handler: context, peer: peer, isLocal: isLocal, refusal: refusal))
            // The router is handed parts of a body only as it asks for them.
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(
                    backPressureStrategy: .init(lowWatermark: 1, highWatermark: 2), isOutboundHalfClosureEnabled: true))
        }
    }

    /// Above the cap an idle connection makes room; where none is idle the new one is told so.
    private static func refusal(at front: FrontContext, most: Int) -> Doors.Refusal? {
        guard front.connections.count - front.turnedAway >= most else { return nil }
        return front.reclaimIdleConnection() ? nil : .full
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
