// One connection through the proxy: two channels on one event loop, and a queue for each direction.

import Glibc
import NIOCore
import NIOPosix
import Synchronization

final class ProxiedConnection: Sendable {
    /// What the proxy's rules say for a direction of a connection.
    typealias Rule = @Sendable (RedisProxy.Direction, RedisProxy.Connection) -> RedisProxy.Passage

    private let parts: NIOLoopBound<Parts>
    private let loop: any EventLoop

    /// Called on the event loop of the node's channel.
    init(index: Int, node: any Channel) {
        loop = node.eventLoop
        parts = NIOLoopBound(Parts(index: index, node: node), eventLoop: node.eventLoop)
        known = parts.value.known
    }

    private let known: Known
    var facts: RedisProxy.Connection { known.facts.withLock { $0 } }

    func submit<Value: Sendable>(_ body: @escaping @Sendable (Parts) -> Value) async throws -> Value {
        try await loop.submit { [parts] in body(parts.value) }.get()
    }

    func open(to target: Int, _ rule: @escaping Rule) -> EventLoopFuture<Void> { parts.value.open(to: target, rule) }

    /// The node finds the connection reset.
    func refuse() -> EventLoopFuture<Void> {
        parts.value.refuse()
        // An initializer that fails closes its channel.
        return loop.makeFailedFuture(KitFailure("the connection is refused"))
    }

    /// What is read from other threads.
    final class Known: Sendable {
        let facts: Mutex<RedisProxy.Connection>

        init(index: Int) {
            facts = Mutex(RedisProxy.Connection(index: index))
        }
    }

    /// Confined to the event loop.
    final class Parts {
        let known: Known
        let requests: ProxiedFlow
        let replies: ProxiedFlow
        private let node: any Channel
        private var redis: (any Channel)?
        private(set) var isStranded = false
        private(set) var isAnswered = false

        init(index: Int, node: any Channel) {
            known = Known(index: index)
            self.node = node
            requests = ProxiedFlow(on: node.eventLoop)
            replies = ProxiedFlow(on: node.eventLoop)
        }

        func flow(_ direction: RedisProxy.Direction) -> ProxiedFlow { direction == .requests ? requests : replies }

        /// No connection goes on behind bytes that it has lost: it is reset.
        func set(_ direction: RedisProxy.Direction, _ passage: RedisProxy.Passage) {
            let flow = flow(direction)
            if passage == .severed || flow.hasLost && passage != .swallowed { reset() } else { flow.passage = passage }
        }

        func open(to target: Int, _ rule: @escaping Rule) -> EventLoopFuture<Void> {
            let (loop, facts) = (node.eventLoop, known.facts.withLock { $0 })
            requests.passage = rule(.requests, facts)
            replies.passage = rule(.replies, facts)
            let this = NIOLoopBound(self, eventLoop: loop)
            replies.deliver = { this.value.node.writeAndFlush($0, promise: nil) }
            ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            ProxyHandler({ this.value.receivedReply($0) }, { this.value.redisEnded() }))
                    }
                }
                .connect(host: "127.0.0.1", port: target)
                .whenComplete { result in
                    guard case .success(let channel) = result else { return this.value.reset() }
                    this.value.redis = channel
                    this.value.requests.deliver = { channel.writeAndFlush($0, promise: nil) }
                }
            return loop.makeCompletedFuture {
                let handler = ProxyHandler({ this.value.receivedRequest($0, rule) }, { this.value.nodeEnded() })
                try node.pipeline.syncOperations.addHandler(handler)
            }
        }

        private func receivedRequest(_ bytes: ByteBuffer, _ rule: Rule) {
            if !known.facts.withLock({ $0.isFeed }), bytes.readableBytesView.contains("\r\nSUBSCRIBE\r\n") {
                learn(rule) { $0.isFeed = true }
            }
            if known.facts.withLock({ $0.user == nil }), let user = bytes.readableBytesView.user { learn(rule) { $0.user = user } }
            requests.take(bytes)
        }

        /// What is known of it now may bring it under another rule.
        private func learn(_ rule: Rule, _ change: (inout RedisProxy.Connection) -> Void) {
            let facts = known.facts.withLock { facts in
                change(&facts)
                return facts
            }
            set(.requests, rule(.requests, facts))
            set(.replies, rule(.replies, facts))
        }

        private func receivedReply(_ bytes: ByteBuffer) {
            if isStranded, requests.isEmpty { isAnswered = true }
            replies.take(bytes)
        }

        /// A stranded connection has its requests still before it; what a living one said last has been passed on.
        private func nodeEnded() {
            known.facts.withLock { $0.isOpen = false }
            if requests.isEmpty { redis?.close(promise: nil) } else { strand() }
        }

        private func redisEnded() {
            isAnswered = true
            node.close(promise: nil)
        }

        func strand() {
            guard !isStranded else { return }
            isStranded = true
            isAnswered = requests.isEmpty
            replies.passage = .swallowed
            Self.reset(node)
        }

        func refuse() {
            known.facts.withLock { $0.isOpen = false }
            _ = (node as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }

        func reset() {
            requests.passage = .swallowed
            replies.passage = .swallowed
            Self.reset(node)
            if let redis { Self.reset(redis) }
        }

        /// Closes with a reset in place of an orderly end.
        private static func reset(_ channel: any Channel) {
            guard channel.isActive else { return }
            _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            channel.close(promise: nil)
        }
    }
}

/// The bytes of one direction that have not been passed on yet; confined to an event loop.
final class ProxiedFlow {
    private let loop: any EventLoop
    private var waiting = CircularBuffer<(due: NIODeadline, bytes: ByteBuffer)>()
    private var alarm: Scheduled<Void>?
    private(set) var hasLost = false

    /// Nil until the other side is there.
    var deliver: ((ByteBuffer) -> Void)? { didSet { pump() } }

    var passage = RedisProxy.Passage.open {
        didSet {
            if passage == .swallowed, !waiting.isEmpty {
                hasLost = true
                waiting.removeAll()
            }
            for index in waiting.indices where waiting[index].due == .distantFuture || passage == .held { waiting[index].due = due }
            pump()
        }
    }

    init(on loop: any EventLoop) {
        self.loop = loop
    }

    var isEmpty: Bool { waiting.isEmpty }

    func contains(_ text: String) -> Bool { waiting.contains { $0.bytes.readableBytesView.contains(text) } }

    func take(_ bytes: ByteBuffer) {
        if case .heldFrom(let text) = passage, bytes.readableBytesView.contains(text) { passage = .held }
        if passage == .swallowed || passage == .severed {
            hasLost = true
            return
        }
        waiting.append((due, bytes))
        pump()
    }

    private var due: NIODeadline {
        switch passage {
        case .held: .distantFuture
        case .delayed(let delay): .now() + TimeAmount(delay)
        case .open, .heldFrom, .swallowed, .severed: .now()
        }
    }

    private func pump() {
        guard let deliver else { return }
        alarm?.cancel()
        alarm = nil
        let now = NIODeadline.now()
        while let first = waiting.first, first.due <= now {
            waiting.removeFirst()
            deliver(first.bytes)
        }
        guard let next = waiting.first, next.due != .distantFuture else { return }
        let this = NIOLoopBound(self, eventLoop: loop)
        alarm = loop.scheduleTask(deadline: next.due) { this.value.pump() }
    }
}

private final class ProxyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let received: (ByteBuffer) -> Void
    private let ended: () -> Void

    init(_ received: @escaping (ByteBuffer) -> Void, _ ended: @escaping () -> Void) {
        self.received = received
        self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { received(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { ended() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension ByteBufferView {
    /// Who logs in with these bytes: `AUTH`, a name, a password.
    fileprivate var user: String? {
        let words = String(decoding: prefix(200), as: UTF8.self).split(separator: "\r\n")
        guard let place = words.firstIndex(of: "AUTH"), place > 1, words[place - 2] == "*3", place + 2 < words.count else { return nil }
        return String(words[place + 2])
    }

    fileprivate func contains(_ text: String) -> Bool {
        let pattern = Array(text.utf8)
        guard let first = pattern.first, count >= pattern.count else { return pattern.isEmpty }
        var rest = self[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: pattern) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
