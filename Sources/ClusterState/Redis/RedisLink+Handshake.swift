// How a link comes up: dial, be let in, load every script, only then carry commands.

import Logging
import LuaScripts
import NIOCore

extension RedisLink {
    func dial() {
        guard case .down = state else { return }
        state = .dialing
        let link = NIOLoopBound(self, eventLoop: eventLoop)
        connector.connect(on: eventLoop) { RedisLinkHandler(link) }
            .hop(to: eventLoop)
            .assumeIsolatedUnsafeUnchecked()
            .whenComplete { result in
                switch result {
                case .success(let channel): self.connected(channel)
                case .failure(let error): self.dialFailed(error)
                }
            }
    }

    private func dialFailed(_ error: any Error) {
        logger.debug("cannot reach Redis", metadata: ["redis": "\(connector.description)", "error": "\(error)"])
        guard case .dialing = state else { return }
        connector.doubt()
        redial()
    }

    private func connected(_ channel: any Channel) {
        guard case .dialing = state, channel.isActive else {
            channel.close(promise: nil)
            if case .dialing = state { dialFailed(ChannelError.ioOnClosedChannel) }
            return
        }
        self.channel = channel
        meter.connected(to: connector.present)
        let commands =
            connector.greeting
            + LuaScript.allCases.map {
                RedisCommand("SCRIPT", "LOAD", connector.cluster == nil ? $0.source : ClusterScript.source(of: $0))
            }
        state = .greeting(left: commands.count, refused: nil)
        for command in commands {
            enqueue(Waiter(command: command, sentAt: .now()) { self.greeted($0) })
        }
    }

    private func greeted(_ result: Result<RedisReply, StoreFailure>) {
        guard case .greeting(let left, let refused) = state else { return }
        var why = refused
        switch result {
        case .failure(let failure): why = why ?? failure.sentence
        case .success(let reply): why = why ?? connector.objection(to: reply)
        }
        if left > 1 {
            state = .greeting(left: left - 1, refused: why)
        } else if let why {
            logger.warning("Redis does not let this node in", metadata: ["redis": "\(connector.description)", "error": "\(why)"])
            connector.doubt()
            channel?.close(promise: nil)
        } else {
            becameReady()
        }
    }
}

/// Bytes of the connection to replies of the link.
final class RedisLinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: NIOLoopBound<RedisLink>
    private let reader = RedisReplyReader()

    init(_ link: NIOLoopBound<RedisLink>) {
        self.link = link
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try reader.feed(unwrapInboundIn(data))
            while let reply = try reader.next() { link.value.received(reply) }
        } catch {
            link.value.logger.error("the connection to Redis is garbled and given up")
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        link.value.disconnected(context.channel)
    }
}
