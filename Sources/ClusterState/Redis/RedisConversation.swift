// Questions to one Redis or Sentinel that are off the call path: at the start, and about who is the primary.

import DequeModule
import NIOCore

/// One connection that asks and waits. A question that is not answered in time closes it, so that no answer ever shifts to another question.
final class RedisConversation: Sendable {
    let channel: any Channel
    private let replies: NIOLoopBound<PendingReplies>

    private init(_ channel: any Channel, _ replies: NIOLoopBound<PendingReplies>) {
        (self.channel, self.replies) = (channel, replies)
    }

    /// Opens the connection; nothing is said on it.
    /// - Parameter onPush: called on the loop with what comes without a question.
    static func open(
        _ connector: RedisConnector, on loop: any EventLoop, onPush: @escaping @Sendable (RedisReply) -> Void = { _ in }
    ) async throws -> RedisConversation {
        let replies = try await loop.submit { NIOLoopBound(PendingReplies(onPush), eventLoop: loop) }.get()
        let channel = try await connector.connect(on: loop) { ConversationHandler(replies) }.get()
        return RedisConversation(channel, replies)
    }

    /// The answers in the order of the commands; errors of the server are answers too.
    /// - Throws: when the connection ends, or the time, before all have come.
    func ask(_ commands: [RedisCommand], within limit: TimeAmount) async throws -> [RedisReply] {
        try await channel.eventLoop.flatSubmit { [channel, replies] in replies.value.ask(commands, on: channel, within: limit) }.get()
    }

    func close() { channel.close(promise: nil) }
}

/// Who waits for the answers of one connection; confined to its loop.
private final class PendingReplies {
    private var waiting = Deque<EventLoopPromise<RedisReply>>()
    private let onPush: @Sendable (RedisReply) -> Void
    /// Why the connection ends, where that is known.
    var fault: (any Error)?

    init(_ onPush: @escaping @Sendable (RedisReply) -> Void) {
        self.onPush = onPush
    }

    func ask(_ commands: [RedisCommand], on channel: any Channel, within limit: TimeAmount) -> EventLoopFuture<[RedisReply]> {
        let loop = channel.eventLoop
        guard channel.isActive else { return loop.makeFailedFuture(fault ?? StoreFailure.unavailable("the connection has ended")) }
        var buffer = channel.allocator.buffer(capacity: 512)
        let promises = commands.map { _ in loop.makePromise(of: RedisReply.self) }
        for command in commands { command.write(to: &buffer) }
        waiting.append(contentsOf: promises)
        let deadline = loop.scheduleTask(in: limit) { channel.close(promise: nil) }
        channel.writeAndFlush(buffer, promise: nil)
        let all = EventLoopFuture.whenAllSucceed(promises.map(\.futureResult), on: loop)
        all.whenComplete { _ in deadline.cancel() }
        return all
    }

    func received(_ reply: RedisReply) {
        if let promise = waiting.popFirst() { promise.succeed(reply) } else { onPush(reply) }
    }

    func ended() {
        let lost = waiting
        waiting.removeAll()
        for promise in lost { promise.fail(fault ?? StoreFailure.unknown) }
    }
}

private final class ConversationHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let replies: NIOLoopBound<PendingReplies>
    private let reader = RedisReplyReader()

    init(_ replies: NIOLoopBound<PendingReplies>) {
        self.replies = replies
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try reader.feed(unwrapInboundIn(data))
            while let reply = try reader.next() { replies.value.received(reply) }
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        replies.value.fault = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { replies.value.ended() }
}
