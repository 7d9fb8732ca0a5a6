// The subscription that keeps the nodes' caches fresh: it only ever makes them forget.

package import Logging
package import NIOCore
import Synchronization

/// What messages of the feed are about; their first word.
package enum Topic: String, Sendable, CaseIterable {
    /// The feed lives; tells of nothing that has changed.
    case beat
    /// A key, or what its account is allowed.
    case key
    /// A team, its keys or its account.
    case team
    /// A switch of the whole cluster, e.g. maintenance.
    case `switch`
    /// The operator's rules.
    case rules
    /// A session has ended.
    case session
    /// Something that nothing on a node is made from: a note, a template, a token, whose key is told of by itself.
    case aside
    /// A client has given up a request. Said in passing: it has no number, and nothing depends on its being heard.
    case cancel
    /// A client has answered a server's question that came over another node. Said in passing too.
    case answer
    /// A server has said something to a session outside of its requests. Said in passing too.
    case mail
    /// Another node holds what a session has subscribed to, or nobody does any more. Said in passing too.
    case subscription
    /// A stream of a session goes on on another connection. Said in passing too.
    case moved
    /// A list of the servers has changed: the number of the news. Said in passing too.
    case news

    var isNumbered: Bool { ![.cancel, .answer, .mail, .subscription, .moved, .news].contains(self) }
}

/// What the feed says has changed.
package enum Change: Sendable, Equatable {
    /// One thing of a topic.
    case record(Topic, id: String)
    /// Messages may have been missed: forget everything.
    case everything
}

/// A connection of its own to the change feed. Messages carry `(id, version, sequence, origin)` and never a value, so a late one can undo nothing.
///
/// A gap in the sequence, a new subscription, or a while without the feed's heartbeat makes the node forget all it has cached. Nothing
/// depends on the feed for being right: admissions compare versions in Redis.
package final class ChangeFeed: Sendable {
    private let keys: RedisKeys
    private let loop: any EventLoop
    private let logger: Logger
    private let state: NIOLoopBoundBox<FeedState>
    private let onChange: @Sendable (Change) -> Void
    private let gapCount = Atomic<Int>(0)
    private let subscribed = Atomic<Bool>(false)

    static let silence = TimeAmount.milliseconds(2500)

    /// - Parameter onChange: called on `loop`, in the order of the messages.
    /// - Throws: if the loop is shut down.
    package init(
        connector: RedisConnector, keys: RedisKeys, on loop: any EventLoop, logger: Logger, onChange: @escaping @Sendable (Change) -> Void
    ) async throws {
        self.keys = keys
        self.loop = loop
        self.logger = logger
        self.onChange = onChange
        state = try await loop.submit { NIOLoopBoundBox(FeedState(connector: connector), eventLoop: loop) }.get()
    }

    /// Times that messages may have been missed.
    package var gaps: Int { gapCount.load(ordering: .relaxed) }
    /// Whether messages come in at this moment.
    package var isSubscribed: Bool { subscribed.load(ordering: .relaxed) }

    /// Subscribes, and again whenever the connection is lost, until `stop`.
    package func start() {
        loop.execute { self.dial() }
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .milliseconds(500)) { [weak self] task in
            guard let self else { return task.cancel() }
            if state.value.stopped { return task.cancel() }
            if state.value.isSilent(at: .now()) { state.value.channel?.close(promise: nil) }
        }
    }

    /// Subscribes elsewhere: the store has been moved.
    package func follow(_ connector: RedisConnector) {
        loop.execute {
            self.state.value.connector = connector
            self.state.value.channel?.close(promise: nil)
        }
    }

    /// Ends the subscription.
    package func stop() async {
        _ = try? await loop.submit { [self] in
            state.value.stopped = true
            state.value.channel?.close(promise: nil)
        }.get()
    }

    private func dial() {
        guard !state.value.stopped else { return }
        state.value.connector?.connect(on: loop) { FeedHandler(self) }.whenComplete { result in
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
        for command in (state.value.connector?.greeting ?? []) + [RedisCommand("SUBSCRIBE", keys.channel)] { command.write(to: &buffer) }
        channel.writeAndFlush(buffer, promise: nil)
    }

    /// Where a message was numbered.
    private func shard(_ topic: Topic, _ id: String) -> Int {
        switch topic {
        case .session: keys.sessionShard(id)
        case .beat: 0
        default: keys.shard(of: id)
        }
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
        state.value.sequences = [:]
        redial()
    }

    fileprivate func received(_ reply: RedisReply) {
        if case .error(let text) = reply { logger.warning("the change feed was refused", metadata: ["error": "\(text)"]) }
        guard let parts = reply.array, parts.count == 3 else { return }
        state.value.heardAt = .now()
        if parts[0].string == "subscribe" {
            subscribed.store(true, ordering: .relaxed)
            onChange(.everything)
        } else if parts[0].string == "message", let message = parts[2].string.flatMap({ FeedMessage($0, shard: shard) }) {
            if state.value.follow(message) {
                lost()
                subscribed.store(true, ordering: .relaxed)
            }
            if let change = message.change { onChange(change) }
        }
    }
}

/// One message: `<topic> <id> <version> <sequence> <origin>`, and the shard that has numbered it where its id does not say so.
package struct FeedMessage: Equatable {
    let topic: Topic
    let id: String
    let shard: Int
    let sequence: Int
    let origin: String

    /// Nil for words that this version does not know.
    init?(_ text: String, shard: (Topic, String) -> Int = { _, _ in 0 }) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard (5...6).contains(words.count), let topic = Topic(rawValue: String(words[0])), let sequence = Int(words[3]) else { return nil }
        self.topic = topic
        id = String(words[1])
        self.shard = (words.count == 6 ? Int(words[5]) : nil) ?? shard(topic, id)
        self.sequence = sequence
        origin = String(words[4])
    }

    var change: Change? { topic == .beat ? nil : .record(topic, id: id) }

    /// The command that says something in passing to every node that listens. - Parameter id: without spaces, at most 400 bytes.
    package static func ephemeral(_ topic: Topic, _ id: String, keys: RedisKeys, origin: String) -> RedisCommand {
        RedisCommand("PUBLISH", keys.channel, ephemeral(topic, id, origin: origin))
    }

    /// What is said so.
    static func ephemeral(_ topic: Topic, _ id: String, origin: String) -> String { "\(topic.rawValue) \(id) 0 0 \(origin)" }
}

/// What the node knows of the feed; decides whether something was missed.
struct FeedState {
    /// Where the store is; nil only where nobody dials.
    var connector: RedisConnector?
    var channel: (any Channel)?
    /// The last number of each shard that has been heard of.
    var sequences: [Int: Int] = [:]
    var heardAt: NIODeadline?
    var stopped = false

    /// True if messages between the last one of its shard and this one are missing.
    mutating func follow(_ message: FeedMessage) -> Bool {
        guard message.topic.isNumbered else { return false }
        defer { sequences[message.shard] = message.sequence }
        guard let last = sequences[message.shard] else { return false }
        return message.sequence != (message.topic == .beat ? last : last + 1)
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
