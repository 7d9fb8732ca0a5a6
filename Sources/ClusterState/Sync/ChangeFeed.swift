// The subscription that keeps the nodes' caches fresh: it only ever makes them forget.

package import Logging
package import NIOCore
import Synchronization

/// What the feed says has changed.
package enum Change: Sendable, Equatable {
    case key(String)
    /// A cluster-wide switch, e.g. `maintenance`.
    case setting(String)
    /// Messages may have been missed: forget everything.
    case everything
}

/// A connection of its own to the change feed. Messages carry `(id, version, sequence, origin)` and never a value, so a late one can undo nothing.
///
/// A gap in the sequence, a new subscription, or a while without the feed's heartbeat makes the node forget all it has cached. Nothing
/// depends on the feed for being right: admissions compare versions in Redis.
package final class ChangeFeed: Sendable {
    private let connector: RedisConnector
    private let channelName: String
    private let loop: any EventLoop
    private let logger: Logger
    private let state: NIOLoopBoundBox<FeedState>
    private let onChange: @Sendable (Change) -> Void
    private let gapCount = Atomic<Int>(0)
    private let subscribed = Atomic<Bool>(false)

    static let silence = TimeAmount.milliseconds(2500)

    package init(
        connector: RedisConnector, channel: String, on loop: any EventLoop, logger: Logger, onChange: @escaping @Sendable (Change) -> Void
    ) async throws {
        self.connector = connector
        channelName = channel
        self.loop = loop
        self.logger = logger
        self.onChange = onChange
        state = try await loop.submit { NIOLoopBoundBox(FeedState(), eventLoop: loop) }.get()
    }

    /// Times that messages may have been missed.
    package var gaps: Int { gapCount.load(ordering: .relaxed) }
    package var isSubscribed: Bool { subscribed.load(ordering: .relaxed) }

    package func start() {
        loop.execute { self.dial() }
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .milliseconds(500)) { [weak self] task in
            guard let self else { return task.cancel() }
            if state.value.stopped { return task.cancel() }
            if state.value.isSilent(at: .now()) { state.value.channel?.close(promise: nil) }
        }
    }

    package func stop() async {
        _ = try? await loop.submit { [self] in
            state.value.stopped = true
            state.value.channel?.close(promise: nil)
        }.get()
    }

    private func dial() {
        guard !state.value.stopped else { return }
        connector.connect(on: loop) { FeedHandler(self) }.whenComplete { result in
            self.loop.execute {
                switch result {
                case .success(let channel): self.connected(channel)
                case .failure: self.redial()
                }
            }
        }
    }

    private func connected(_ channel: any Channel) {
        guard !state.value.stopped, channel.isActive else {
            channel.close(promise: nil)
            return redial()
        }
        state.value.channel = channel
        state.value.heardAt = .now()
        var buffer = channel.allocator.buffer(capacity: 256)
        for command in connector.greeting + [RedisCommand("SUBSCRIBE", channelName)] { command.write(to: &buffer) }
        channel.writeAndFlush(buffer, promise: nil)
    }

    private func redial() {
        guard !state.value.stopped else { return }
        loop.scheduleTask(in: .milliseconds(200)) { self.dial() }
    }

    private func lost() {
        gapCount.add(1, ordering: .relaxed)
        subscribed.store(false, ordering: .relaxed)
        onChange(.everything)
    }

    fileprivate func disconnected(_ gone: any Channel) {
        guard gone === state.value.channel else { return }
        lost()
        state.value.channel = nil
        state.value.sequence = nil
        redial()
    }

    fileprivate func received(_ reply: RedisReply) {
        if case .error(let text) = reply { logger.warning("the change feed was refused", metadata: ["error": "\(text)"]) }
        guard let parts = reply.array, parts.count == 3 else { return }
        state.value.heardAt = .now()
        if parts[0].string == "subscribe" {
            subscribed.store(true, ordering: .relaxed)
            onChange(.everything)
        } else if parts[0].string == "message", let message = parts[2].string.flatMap(FeedMessage.init) {
            if state.value.follow(message) { lost(); subscribed.store(true, ordering: .relaxed) }
            if let change = message.change { onChange(change) }
        }
    }
}

/// One message: `<id> <version> <sequence> <origin>`; id `-` is the heartbeat, `!name` a switch, `~name` a word in passing that has no number.
package struct FeedMessage: Equatable {
    let id: String
    let sequence: Int

    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 4, let sequence = Int(words[2]) else { return nil }
        id = String(words[0])
        self.sequence = sequence
    }

    var isHeartbeat: Bool { id == "-" }
    var isNumbered: Bool { !id.hasPrefix("~") }

    var change: Change? {
        if isHeartbeat { return nil }
        return id.hasPrefix("!") || id.hasPrefix("~") ? .setting(String(id.dropFirst())) : .key(id)
    }

    /// The command that says something in passing to every node that listens; nothing depends on its being heard.
    package static func passing(_ word: String, keys: RedisKeys, origin: String) -> RedisCommand {
        RedisCommand("PUBLISH", keys.channel, "~\(word) 0 0 \(origin)")
    }
}

/// What the node knows of the feed; decides whether something was missed.
struct FeedState {
    var channel: (any Channel)?
    var sequence: Int?
    var heardAt: NIODeadline?
    var stopped = false

    /// True if messages between the last one and this one are missing.
    mutating func follow(_ message: FeedMessage) -> Bool {
        guard message.isNumbered else { return false }
        defer { sequence = message.sequence }
        guard let sequence else { return false }
        return message.sequence != (message.isHeartbeat ? sequence : sequence + 1)
    }

    func isSilent(at now: NIODeadline) -> Bool {
        guard channel != nil, let heardAt else { return false }
        return now - heardAt > ChangeFeed.silence
    }
}

private final class FeedHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let feed: ChangeFeed
    private let reader = RedisReplyReader()

    init(_ feed: ChangeFeed) {
        self.feed = feed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try reader.feed(unwrapInboundIn(data))
            while let reply = try reader.next() { feed.received(reply) }
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { feed.disconnected(context.channel) }
}
