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
            guard lane.connections.count < lanes.connectionsPerLane else { throw ChannelError.operationUnsupported }
            let peer = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) } ?? IPAddress(v4: 0x7f00_0001)
            try channel.pipeline.syncOperations.addHandler(FrontHandler(lane: lane, peer: peer))
            return try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    package func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
