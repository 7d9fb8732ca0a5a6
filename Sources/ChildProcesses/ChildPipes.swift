// The node's ends of a child's standard streams, as channels of one event loop.

import NIOCore
import NIOPosix

struct ChildPipes {
    /// Bytes that may wait for a child that does not read before `isWritable` turns false.
    static let outboundLimit = 16 << 20

    let input: any Channel
    let output: any Channel
    let errors: any Channel
    let outputReader = PipeReader()
    let errorReader = PipeReader()

    /// Turns the three descriptors into channels; whatever fails, all three are closed or owned by a channel.
    static func open(
        input: consuming OwnedDescriptor,
        output: consuming OwnedDescriptor,
        errors: consuming OwnedDescriptor,
        on loop: any EventLoop,
        isolation: isolated (any Actor)? = #isolation
    ) async throws -> ChildPipes {
        var opened: [any Channel] = []
        do {
            opened.append(try await channel(of: input, on: loop) { $0.takingOwnershipOfDescriptor(output: $1) })
            opened.append(try await channel(of: output, on: loop) { $0.takingOwnershipOfDescriptor(input: $1) })
            opened.append(try await channel(of: errors, on: loop) { $0.takingOwnershipOfDescriptor(input: $1) })
            let pipes = ChildPipes(input: opened[0], output: opened[1], errors: opened[2])
            try pipes.prepare()
            return pipes
        } catch {
            for channel in opened { channel.close(promise: nil) }
            throw error
        }
    }

    func close() {
        for reader in [outputReader, errorReader] {
            reader.onBytes = { _ in }
            reader.onEnd = {}
        }
        for channel in [input, output, errors] { channel.close(promise: nil) }
    }

    private func prepare() throws {
        let mark = ChannelOptions.Types.WriteBufferWaterMark(low: Self.outboundLimit / 2, high: Self.outboundLimit)
        try input.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
        try output.pipeline.syncOperations.addHandler(outputReader)
        try errors.pipeline.syncOperations.addHandler(errorReader)
    }

    /// NIO owns a descriptor from the moment that it has built a channel around it, which is when it calls the
    /// initializer: if the channel fails later, NIO has closed the descriptor and it must not be closed again.
    private static func channel(
        of descriptor: consuming OwnedDescriptor,
        on loop: any EventLoop,
        isolation: isolated (any Actor)? = #isolation,
        open: (NIOPipeBootstrap, CInt) -> EventLoopFuture<any Channel>
    ) async throws -> any Channel {
        let isTaken = NIOLoopBoundBox(false, eventLoop: loop)
        let bootstrap = NIOPipeBootstrap(group: loop).channelInitializer { channel in
            isTaken.value = true
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        do {
            let channel = try await open(bootstrap, descriptor.number).get()
            _ = descriptor.release()
            return channel
        } catch {
            if isTaken.value { _ = descriptor.release() }
            throw error
        }
    }
}

/// Hands what arrives on a child's pipe to the object that owns the child.
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
