// The primary that the Sentinels name, followed for as long as the node lives; connections to earlier ones are closed.

import GateDomain
package import Logging
package import NIOCore
import Synchronization

/// Asks all Sentinels every 300 ms, at `+switch-master`, and whenever something speaks against the primary that is known.
///
/// Invariant: once this node has seen a primary, no connection to an earlier one carries another byte of it, and none at all once no majority
/// of the Sentinels has named the primary for as long as they would wait before they vote for another one (`PrimaryFence`).
package final class PrimaryWatch: Sendable {
    private struct State {
        var election: PrimaryElection
        var channels: [ObjectIdentifier: any Channel] = [:]
        var conversations: [ObjectIdentifier: any Channel] = [:]
        var refusals: [SentinelRefusal?]
        /// Of each Sentinel.
        var replicas: [[SentinelReplica]]
        var tasks: [Task<Void, Never>] = []
        var timer: RepeatedTask?
        var isStopped = false
    }

    /// What the Sentinels call the primary.
    package let name: String
    private let sentinels: [RedisConnector]
    private let loop: any EventLoop
    private let logger: Logger
    private let state: Mutex<State>
    private let bells: [(bell: AsyncStream<Void>.Continuation, rings: AsyncStream<Void>)]
    /// Grows with every primary; what a connection was opened under.
    private let generation = Atomic<Int>(0)
    /// `NIODeadline` in nanoseconds.
    private let end = Atomic<UInt64>(0)

    private static let interval = TimeAmount.milliseconds(300)
    private static let patience = TimeAmount.seconds(1)
    /// Between two questions to one Sentinel.
    private static let pause = Duration.milliseconds(30)
    /// Questions until a Sentinel is asked for the replicas again.
    private static let turnsOfReplicas = 4

    /// - Parameters:
    ///   - sentinels: how each is reached, 1 to 64.
    ///   - name: what they call the primary.
    package init(sentinels: [RedisConnector], name: String, on loop: any EventLoop, logger: Logger) {
        self.name = name
        self.sentinels = sentinels
        self.loop = loop
        self.logger = logger
        state = Mutex(
            State(
                election: PrimaryElection(sentinels: sentinels.count), refusals: Array(repeating: .silent, count: sentinels.count),
                replicas: Array(repeating: [], count: sentinels.count)))
        bells = sentinels.map { _ in
            let (rings, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            return (bell, rings)
        }
    }

    /// Begins to ask, until `stop`.
    package func start() {
        // Owned by this watch: `stop` cancels them.
        let tasks = sentinels.indices.flatMap { index in
            [Task { await self.ask(index) }, Task { await self.listen(index) }]
        }
        let timer = loop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.interval) { [weak self] _ in self?.doubt() }
        state.withLock { ($0.tasks, $0.timer) = (tasks, timer) }
    }

    /// Ends all that it has opened to Sentinels; connections to the primary are their owners'.
    package func stop() {
        let (tasks, timer, channels) = state.withLock { state in
            state.isStopped = true
            return (state.tasks, state.timer, Array(state.conversations.values))
        }
        timer?.cancel()
        for (bell, _) in bells { bell.finish() }
        for task in tasks { task.cancel() }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Asks all Sentinels now; those that are being asked, once more.
    package func doubt() {
        for (bell, _) in bells { bell.yield() }
    }

    /// The primary as it is known; nil until a majority has named one.
    package var primary: RedisPrimary? { state.withLock { $0.election.primary } }
    /// Primaries that have followed one another since the start, without the first.
    package var failovers: Int { max(0, generation.load(ordering: .relaxed) - 1) }
    /// Each Sentinel, and whether it has answered the last question.
    package var reachability: [(place: String, isReachable: Bool)] {
        let refusals = state.withLock { $0.refusals }
        return zip(sentinels, refusals).map { ($0.target.place, $1 == nil) }
    }
    /// The servers that follow the primary, or did, as most of the Sentinels that answer know them.
    var replicas: [SentinelReplica] {
        let (words, primary) = state.withLock { ($0.replicas, $0.election.primary?.place) }
        return SentinelReplica.agreed(words).filter { $0.place != primary }
    }
    /// Whether a majority stands behind the primary at this moment.
    package var isCertain: Bool { mayWrite(generation.load(ordering: .relaxed)) }
}

// What connections ask of it.
extension PrimaryWatch {
    /// The primary, and the generation that a connection to it has; nil while no majority stands behind one.
    func whereToDial() -> (RedisPrimary, Int)? {
        state.withLock { state in
            guard let primary = state.election.primary, isCertain else { return nil }
            return (primary, generation.load(ordering: .relaxed))
        }
    }

    /// A connection has been opened; it is closed when another primary comes.
    func opened(_ channel: any Channel, _ opened: Int) {
        let isLate = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = channel
            return opened != generation.load(ordering: .relaxed)
        }
        channel.closeFuture.whenComplete { _ in
            _ = self.state.withLock { $0.channels.removeValue(forKey: ObjectIdentifier(channel)) }
        }
        if isLate { channel.close(promise: nil) }
    }

    /// Whether a connection of this generation may carry anything now.
    func mayWrite(_ opened: Int) -> Bool {
        generation.load(ordering: .relaxed) == opened && opened > 0
            && NIODeadline.now().uptimeNanoseconds < end.load(ordering: .relaxed)
    }
}

// What it does with Sentinels.
extension PrimaryWatch {
    /// Why there is no primary, in a sentence; nil while nobody is to blame but time.
    /// - Returns: `isFinal` when no waiting will help, as far as those that answer are a majority.
    package var obstacle: (sentence: String, isFinal: Bool)? {
        let refusals = state.withLock { $0.refusals }
        let counted = refusals.compactMap(\.self)
        guard counted.count > refusals.count - (refusals.count / 2 + 1) else { return nil }
        let lasting = zip(sentinels, refusals).filter { $1?.mayPass == false }
        let isFinal = refusals.filter { $0 == nil || $0?.mayPass == true }.count < refusals.count / 2 + 1
        guard let (sentinel, refusal) = lasting.first, let refusal else {
            let answering = refusals.count - counted.count
            return ("Only \(answering) of \(refusals.count) Sentinels answer; a majority has to name the primary '\(name)'.", false)
        }
        let place = sentinel.target.place
        switch refusal {
        case .unknownName: return ("The Sentinel at \(place) watches no primary called '\(name)'.", isFinal)
        case .credentials:
            return (
                "The Sentinel at \(place) does not take the user and password that it is given; check --sentinel-password-file.", isFinal
            )
        case .forbidden(let command):
            return ("The user of the Sentinel at \(place) may not use \(command); allow it in its ACL.", isFinal)
        case .tls: return ("TLS with the Sentinel at \(place) cannot be agreed on; \(RedisTLS.advice)", isFinal)
        case .silent, .changing, .other: return ("The Sentinel at \(place) refuses to name the primary '\(name)'.", isFinal)
        }
    }

    private func ask(_ index: Int) async {
        var conversation: RedisConversation?
        var turn = 0
        for await _ in bells[index].rings {
            let askedAt = NIODeadline.now()
            do throws(SentinelRefusal) {
                let further = turn == 0 ? [RedisCommand("SENTINEL", "REPLICAS", name)] : []
                turn = (turn + 1) % Self.turnsOfReplicas
                let (open, replies) = try await exchange(conversation, with: index, further)
                conversation = open
                heard(try SentinelAnswer(Array(replies.dropLast(further.count))), from: index, askedAt: askedAt)
                if !further.isEmpty, let last = replies.last { note(SentinelReplica.all(in: last), from: index) }
            } catch {
                conversation?.close()
                conversation = nil
                state.withLock { $0.refusals[index] = error }
                note([], from: index)
                turn = 0
            }
            try? await Task.sleep(for: Self.pause)
        }
        conversation?.close()
    }

    private func note(_ replicas: [SentinelReplica], from index: Int) {
        state.withLock { $0.replicas[index] = replicas }
    }

    private func exchange(
        _ conversation: RedisConversation?, with index: Int, _ further: [RedisCommand]
    ) async throws(SentinelRefusal) -> (RedisConversation, [RedisReply]) {
        do {
            let open: RedisConversation
            if let conversation { open = conversation } else { open = try await self.open(index) }
            return (open, try await open.ask(SentinelAnswer.questions(about: name) + further, within: Self.patience))
        } catch let refusal as SentinelRefusal {
            throw refusal
        } catch {
            throw error.isOfTLS ? .tls : .silent
        }
    }

    /// Hears of promotions as they happen; what is missed meanwhile is found by asking.
    private func listen(_ index: Int) async {
        while !Task.isCancelled {
            if let conversation = try? await open(index, onPush: { [weak self] message in self?.told(message) }) {
                _ = try? await conversation.ask(
                    [RedisCommand("SUBSCRIBE", "+switch-master", "+failover-state-select-slave", "+failover-state-send-slaveof-noone")],
                    within: Self.patience)
                try? await conversation.channel.closeFuture.get()
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func told(_ message: RedisReply) {
        guard let text = message.array?.last?.string, text.split(separator: " ").contains(where: { $0.utf8.elementsEqual(name.utf8) })
        else { return }
        doubt()
    }

    private func open(_ index: Int, onPush: @escaping @Sendable (RedisReply) -> Void = { _ in }) async throws -> RedisConversation {
        let conversation = try await RedisConversation.open(sentinels[index], on: loop, onPush: onPush)
        let channel = conversation.channel
        let isStopped = state.withLock { state in
            state.conversations[ObjectIdentifier(channel)] = channel
            return state.isStopped
        }
        channel.closeFuture.whenComplete { _ in
            _ = self.state.withLock { $0.conversations.removeValue(forKey: ObjectIdentifier(channel)) }
        }
        if isStopped { conversation.close() }
        let greeting = sentinels[index].greeting
        guard !greeting.isEmpty else { return conversation }
        for case .error(let text) in try await conversation.ask(greeting, within: Self.patience) {
            conversation.close()
            throw SentinelRefusal(errorText: text)
        }
        return conversation
    }

    private func heard(_ answer: SentinelAnswer, from index: Int, askedAt: NIODeadline) {
        let (successor, wasOutdone, isOutdone, old) = state.withLock { state in
            state.refusals[index] = nil
            let wasOutdone = state.election.isOutdone
            let isNew = state.election.heard(answer, from: index, askedAt: askedAt, now: .now())
            var old: [any Channel] = []
            if isNew {
                generation.wrappingAdd(1, ordering: .relaxed)
                old = Array(state.channels.values)
            }
            end.store(state.election.end.uptimeNanoseconds, ordering: .relaxed)
            return (isNew ? state.election.primary : nil, wasOutdone, state.election.isOutdone, old)
        }
        for channel in old { channel.close(promise: nil) }
        if let successor {
            let facts: Logger.Metadata = ["primary": "\(successor.place)", "epoch": "\(successor.epoch)", "name": "\(name)"]
            if failovers > 0 {
                logger.warning("Redis has another primary", metadata: facts)
            } else {
                logger.info("Redis primary", metadata: facts)
            }
        }
        if isOutdone, !wasOutdone {
            logger.error(
                "the Sentinels name a primary of a lower epoch than this node has seen, and it is not followed; restart the node if they were set up anew",
                metadata: ["named": "\(answer.primary.place)", "epoch": "\(answer.primary.epoch)"])
        }
    }
}

/// Lets nothing pass to a primary that the node knows to have a successor, or of which no majority is certain any more.
final class PrimaryFence: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private let watch: PrimaryWatch
    private let generation: Int

    init(_ watch: PrimaryWatch, _ generation: Int) {
        (self.watch, self.generation) = (watch, generation)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if watch.mayWrite(generation) { return context.write(data, promise: promise) }
        promise?.fail(StoreFailure.unavailable("this Redis is not the primary any more"))
        context.close(promise: nil)
    }
}

extension RedisTarget {
    /// Where it listens, as `host:port`.
    package var place: String {
        switch address {
        case .tcp(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): path
        }
    }
}
