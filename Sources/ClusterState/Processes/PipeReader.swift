// Hands what arrives on a child's pipe to the object that owns the child.

import NIOCore

final class PipeReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    var onBytes: (ByteBuffer) -> Void = { _ in }
    var onEnd: () -> Void = {}

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        onBytes(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        onEnd()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
