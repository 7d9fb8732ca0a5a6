// One event loop's connection to Redis: commands of a tick leave in one write, replies come back in order.

import DequeModule
package import NIOCore
import LuaScripts
package import Logging

/// The way from one event loop to Redis; confined to that loop.
///
/// Invariants: replies never shift to another command, whatever breaks; a command is written at most once a connection; a caller hears
/// exactly once. The link is ready only when every script has been loaded. A command without an answer for `commandTimeout` is *unknown*;
/// from then on new commands fail at once until Redis is heard again, and after `silence` the connection is given up.
package final class RedisLink {
    /// Called on the link's event loop, once.
    package typealias Completion = (Result<RedisReply, StoreFailure>) -> Void

    static let commandTimeout = TimeAmount.milliseconds(500)
    static let silence = TimeAmount.seconds(3)
    static let tickInterval = TimeAmount.milliseconds(50)
    static let redial = TimeAmount.milliseconds(100)
    /// The same while commands wait for the next connection.
    static let quickRedial = TimeAmount.milliseconds(5)
    /// The most commands that may wait for an answer.
    static let capacity = 16_384

    struct Waiter {
        let command: RedisCommand
        let sentAt: NIODeadline
        /// Nil once the caller was told that the outcome is unknown; the reply is then read and dropped.
        var completion: Completion?
        var isWritten = false
        /// Whether a copy was written to a connection that broke, so that it may have been carried out whatever comes of this one.
        var wasLost = false
        /// Servers of a cluster that have sent it on without a pause.
        var hops: UInt8 = 0
        /// Asks how many replicas have what was written before it; belongs to its connection.
        var isAcknowledgement = false

        /// What is known of it without a reply.
        var lostReply: StoreFailure { isWritten ? .unknown : .unavailable("no connection to Redis") }

        /// The same, written to a connection that broke.
        func lost() -> Waiter {
            var waiter = self
            waiter.wasLost = true
            return waiter
        }
    }

    enum State {
        case down
        case dialing
        case greeting(left: Int, refused: String?)
        case ready
        case closed
    }

    /// The one that the link belongs to; nothing else may touch it.
    package let eventLoop: any EventLoop
    let connector: RedisConnector
    let logger: Logger
    /// What it has counted so far.
    package var meter = RedisMeter()
    var state = State.down
    var channel: (any Channel)?
    var waiters = Deque<Waiter>()
    /// Commands that go out on the next connection: those of a broken one that may be applied twice, and those that came
    /// while it is being replaced.
    var resending: [Waiter] = []
    /// Writes that Redis has carried out and its replicas may not have; always empty where no replica has to acknowledge.
    var unacknowledged: [(waiter: Waiter, reply: RedisReply)] = []
    /// Until when writes are refused, because too few replicas have acknowledged one.
    var unreplicatedUntil: NIODeadline?
    /// Whether a write was sent that no question behind it asks replicas to acknowledge.
    var isAcknowledgementDue = false
    /// Whether such a question is under way. There is one at a time: each holds up the connection for a round trip to the replicas, so what
    /// comes meanwhile shares the next one.
    var isAcknowledging = false
    /// When a connection that was well broke; until `commandTimeout` later commands wait for the next one.
    var lostAt: NIODeadline?
    var outbound = ByteBuffer()
    private var flushScheduled = false
    /// Index into `waiters` of the first whose caller still waits.
    private var told = 0
    private var stalledSince: NIODeadline?
    private var ticking: RepeatedTask?
    /// Of a Redis Cluster: who sends on what this server refuses; nil everywhere else.
    weak var cluster: ClusterLink?
    /// Whether it only waits for answers that are under way, and is not connected again.
    var isLeaving = false
    /// Called when the link has become ready after having been down.
    package var onReady: () -> Void = {}

    package init(connector: RedisConnector, eventLoop: any EventLoop, logger: Logger) {
        self.connector = connector
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// True if a command sent now has a chance.
    package var isUsable: Bool {
        if case .ready = state { stalledSince == nil } else { false }
    }

    package func send(_ command: RedisCommand, _ completion: @escaping Completion) {
        eventLoop.assertInEventLoop()
        if let why = obstacle(to: command) { return completion(.failure(.unavailable(why))) }
        let waiter = Waiter(command: command, sentAt: .now(), completion: completion)
        if case .ready = state { enqueue(waiter) } else { resending.append(waiter) }
    }

    /// Why a command cannot be sent now; nil where it can be, or will be on the next connection.
    func obstacle(to command: RedisCommand) -> String? {
        if stalledSince != nil { return "Redis does not answer" }
        if waiters.count + resending.count >= Self.capacity { return "too many commands are waiting" }
        if let until = unreplicatedUntil, command.isWrite, until > .now() { return "NOREPLICAS too few replicas acknowledge writes" }
        if case .ready = state { return nil }
        return isReplacing ? nil : "no connection to Redis"
    }

    var isReplacing: Bool { lostAt.map { .now() - $0 < Self.commandTimeout } ?? false }

    func enqueue(_ waiter: Waiter) {
        var waiter = waiter
        waiter.isWritten = true
        waiter.command.write(to: &outbound)
        if connector.replicasToAck > 0, case .ready = state, waiter.command.isWrite { isAcknowledgementDue = true }
        waiters.append(waiter)
        scheduleFlush()
    }

    func scheduleFlush() {
        guard !flushScheduled else { return }
        flushScheduled = true
        eventLoop.assumeIsolatedUnsafeUnchecked().execute { self.flush() }
    }

    private func flush() {
        flushScheduled = false
        if isAcknowledgementDue, !isAcknowledging { askForAcknowledgement() }
        guard let channel, outbound.readableBytes > 0 else { return }
        meter.writes += 1
        channel.writeAndFlush(outbound, promise: nil)
        outbound.clear(minimumCapacity: 4096)
    }

    func received(_ reply: RedisReply) {
        guard let waiter = waiters.popFirst() else {
            logger.error("Redis sent a reply that nobody waits for; the connection is given up")
            channel?.close(promise: nil)
            return
        }
        told = max(0, told - 1)
        stalledSince = nil
        meter.answered(waiter.command.script, after: .now() - waiter.sentAt)
        guard let completion = waiter.completion else { return }
        guard case .error(let text) = reply else {
            if connector.replicasToAck > 0, case .ready = state, !waiter.isAcknowledgement, waiter.command.isWrite {
                unacknowledged.append((waiter, reply))
            } else {
                completion(.success(reply))
            }
            return
        }
        refused(waiter, completion, text)
    }

    private func refused(_ waiter: Waiter, _ completion: @escaping Completion, _ text: String) {
        if text.hasPrefix("NOSCRIPT") {
            var again = Waiter(command: waiter.command.withScriptText, sentAt: waiter.sentAt, completion: completion)
            again.wasLost = waiter.wasLost
            enqueue(again)
            return
        }
        if let cluster, cluster.takeBack(waiter, text, from: connector.target.address) { return }
        completion(.failure(StoreFailure(errorText: text)))
        // The address leads to another server by now, or soon will.
        if StoreFailure.isMoved(errorText: text) {
            connector.doubt()
            channel?.close(promise: nil)
        }
    }

    /// Every 50 ms: tells those who have waited too long, and gives up a connection that says nothing.
    func tick() {
        let now = NIODeadline.now()
        while told < waiters.count, waiters[told].sentAt + Self.commandTimeout <= now {
            if stalledSince == nil {
                stalledSince = waiters[told].sentAt
                meter.stalls += 1
                connector.doubt()
            }
            let completion = waiters[told].completion
            waiters[told].completion = nil
            told += 1
            completion?(.failure(.unknown))
        }
        let expired = resending.filter { $0.sentAt + Self.commandTimeout <= now }
        if !expired.isEmpty {
            resending.removeAll { $0.sentAt + Self.commandTimeout <= now }
            for waiter in expired { waiter.completion?(.failure(waiter.lostReply)) }
        }
        if let since = stalledSince, now - since > Self.silence { channel?.close(promise: nil) }
        if isLeaving { endIfIdle() }
    }

    /// Begins to connect, and goes on until `stop`; to be called on the event loop.
    package func start() {
        let link = NIOLoopBound(self, eventLoop: eventLoop)
        ticking = eventLoop.scheduleRepeatedTask(initialDelay: Self.tickInterval, delay: Self.tickInterval) { _ in link.value.tick() }
        dial()
    }

    /// Closes the connection; whatever is waiting fails, and nothing is taken any more.
    package func stop() {
        state = .closed
        ticking?.cancel()
        let lost = unacknowledged.map(\.waiter) + Array(waiters) + resending
        unacknowledged.removeAll()
        waiters.removeAll()
        resending.removeAll()
        lostAt = nil
        channel?.close(promise: nil)
        channel = nil
        for waiter in lost { waiter.completion?(.failure(waiter.lostReply)) }
    }

    /// A connection is gone: what was written may be written again, on the next one.
    func disconnected(_ gone: any Channel) {
        guard gone === channel else { return }
        channel = nil
        let broken = unacknowledged.map(\.waiter) + Array(waiters).filter { !$0.isAcknowledgement }
        unacknowledged.removeAll()
        waiters.removeAll()
        outbound.clear()
        isAcknowledgementDue = false
        isAcknowledging = false
        told = 0
        if case .ready = state {
            let again = broken.filter { $0.completion != nil && $0.command.isRepeatable }
            resending = again.map { $0.lost() } + resending
            if stalledSince == nil { lostAt = .now() }
        }
        stalledSince = nil
        if isLeaving { endIfIdle() } else { redial() }
        for waiter in broken where !waiter.command.isRepeatable { waiter.completion?(.failure(.lost)) }
    }

    func redial() {
        state = .down
        let pause = isReplacing ? Self.quickRedial : Self.redial
        eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: pause) { self.dial() }
    }

    func becameReady() {
        state = .ready
        lostAt = nil
        let again = resending
        resending = []
        for waiter in again { enqueue(waiter) }
        onReady()
    }
}
