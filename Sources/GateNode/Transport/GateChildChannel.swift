// Puts the front handler before Hummingbird's router on every accepted connection.

import GateDomain
package import HummingbirdCore
package import Logging
package import NIOCore
package import NIOHTTPTypes

/// A child channel of the server: strict HTTP/1.1, `/mcp` on the event loop, the router for the rest. A hop to another thread would cost
/// more than the rest of a call (docs/performance.md).
package struct GateChildChannel: HTTPChannelHandler {
    package typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    package let responder: HTTPChannelHandler.Responder
    private let lanes: Lanes

    package init(responder: @escaping HTTPChannelHandler.Responder, lanes: Lanes) {
        self.responder = responder
        self.lanes = lanes
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let lanes = lanes
        return channel.eventLoop.makeCompletedFuture {
            let lane = try lanes.lane(on: channel.eventLoop)
            let peer = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) } ?? IPAddress(v4: 0x7f00_0001)
            let isTrusted = lane.node.addresses.isTrusted(peer)
            let isLocal = !isTrusted && channel.localAddress?.ipAddress.flatMap { IPAddress($0)?.isLoopback } ?? false
            let hasPlace = isTrusted || lanes.doors.enter(peer)
            let refusal = hasPlace ? Self.refusal(in: lane, of: lanes) : .address
            let handler = FrontHandler(lane: lane, peer: peer, isLocal: isLocal, refusal: refusal)
            if hasPlace, !isTrusted { channel.closeFuture.whenComplete { _ in lanes.doors.leave(peer) } }
            try channel.pipeline.syncOperations.addHandler(handler)
            // The router is handed parts of a body only as it asks for them.
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(
                    backPressureStrategy: .init(lowWatermark: 1, highWatermark: 2), isOutboundHalfClosureEnabled: true))
        }
    }

    /// Above the cap an idle connection makes room; where none is idle the new one is told so.
    private static func refusal(in lane: Lane, of lanes: Lanes) -> Doors.Refusal? {
        guard lane.connections.count - lane.turnedAway >= lanes.connectionsPerLane else { return nil }
        return lane.reclaimIdleConnection() ? nil : .full
    }

    package func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
