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
            guard context.front.connections.count < loops.connectionsPerLoop else { throw ChannelError.operationUnsupported }
            let peer = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) } ?? IPAddress(v4: 0x7f00_0001)
            try channel.pipeline.syncOperations.addHandler(FrontHandler(front: context.front, handler: context, peer: peer))
            return try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
