// The contexts of all event loops of the node: how code that is on no event loop, or on another one, reaches them.

import ClusterState
import GateSettings
import NIOCore

/// The node's loop contexts, one an event loop.
final class LoopContexts: Sendable {
    private let all: [(eventLoop: any EventLoop, context: NIOLoopBound<LoopContext>)]
    /// Client connections that one event loop takes; together the node's cap (F-SEC-16).
    let connectionsPerLoop: Int
    let doors: Doors

    /// - Throws: if an event loop has no link to Redis, or is shut down.
    init(_ parts: GateParts, loops: [any EventLoop], headers: ResponseHeaders, log: CallLogSink) async throws {
        var all: [(eventLoop: any EventLoop, context: NIOLoopBound<LoopContext>)] = []
        for (index, loop) in loops.enumerated() {
            guard let link = parts.store.link(of: loop) else { throw ChannelError.operationUnsupported }
            let context = try await loop.submit {
                NIOLoopBound(
                    LoopContext(
                        parts, eventLoop: loop, link: link, headers: headers, index: index, loops: loops.count, log: CallLog(log)),
                    eventLoop: loop)
            }.get()
            loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in context.value.sweep() }
            loop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) { _ in context.value.meter.lag.tick() }
            all.append((loop, context))
        }
        self.all = all
        connectionsPerLoop = max(1, parts.settings.maxConnections / max(1, loops.count))
        doors = Doors(mostOfAddress: parts.settings.maxConnectionsPerAddress)
        forEach { [weak self] context in if let self { context.join(self) } }
    }

    func context(of loop: any EventLoop) throws -> LoopContext {
        guard let context = all.first(where: { $0.eventLoop === loop })?.context else { throw ChannelError.operationUnsupported }
        return context.value
    }

    func apply(_ change: Change) {
        forEach { $0.apply(change) }
        switch change {
        case .record(.news, let number): one { [self] in $0.news.heard(Int(number) ?? .max, tell) }
        case .everything: one { [self] in $0.news.heard(.max, tell) }
        case .record: break
        }
    }

    func forEach(_ body: @escaping @Sendable (LoopContext) -> Void) {
        for (loop, context) in all {
            if loop.inEventLoop { body(context.value) } else { loop.execute { body(context.value) } }
        }
    }

    /// Leaves a message for a session, wherever it listens.
    func post(_ message: [UInt8], to session: String) {
        guard let (loop, context) = all.first else { return }
        loop.execute { context.value.streams.post(message, to: session) }
    }

    /// Gives up, at the servers and in the store, what was taken out of the book of subscriptions.
    func settle(_ removals: [SubscriptionBook.Removal]) {
        if !removals.isEmpty { one { $0.settle(removals) } }
    }

    /// Has every session that listens, on any node, hear that a list of the servers has changed.
    func tell(changed message: [UInt8]) {
        one { [self] in $0.news.post(message, tell) }
    }

    private func tell(_ news: [ListNews]) { forEach { $0.streams.tell(news) } }

    /// Has one event loop do what concerns none of them more than another.
    func one(_ body: @escaping @Sendable (LoopContext) -> Void) {
        guard let (loop, context) = all.first else { return }
        loop.execute { body(context.value) }
    }

    /// Asks one event loop after the other until one says that it has done what there was to do.
    func first(_ body: @escaping @Sendable (LoopContext) -> Bool, otherwise: @escaping @Sendable () -> Void) {
        first(body, from: 0, otherwise: otherwise)
    }

    private func first(_ body: @escaping @Sendable (LoopContext) -> Bool, from index: Int, otherwise: @escaping @Sendable () -> Void) {
        guard index < all.count else { return otherwise() }
        let (loop, context) = all[index]
        loop.execute { [self] in
            if !body(context.value) { first(body, from: index + 1, otherwise: otherwise) }
        }
    }

    /// The sums over all event loops.
    func meter() async -> GateMeter {
        var sum = GateMeter()
        for (loop, context) in all {
            guard let meter = try? await loop.submit({ context.value.reading }).get() else { continue }
            sum.add(meter)
        }
        return sum
    }

    /// Ends the connections that have nothing under way, and the others after it.
    func quiesce() {
        forEach { $0.front.quiesce() }
    }

    /// Ends calls that wait for their clients between two rounds.
    func endRounds() {
        forEach { $0.rounds.end(on: $0) }
    }

    /// Leaves what is kept for clients that may come back where other nodes find it, as far as there is time.
    func leaveStreams(until limit: NIODeadline) async {
        forEach { $0.calls.leaveAll() }
        for (loop, context) in all {
            while .now() < limit, (try? await loop.submit { context.value.calls.isLeaving }.get()) ?? false {
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    /// Whether everything that was taken has been settled.
    var isSettled: Bool {
        get async {
            for (loop, context) in all {
                let backlog = (try? await loop.submit { context.value.ledger.openHolds + context.value.ledger.backlog }.get()) ?? 0
                if backlog > 0 { return false }
            }
            return true
        }
    }

    /// Whether no event loop knows of anything that is open under a former name of the node.
    func hasLeft(_ name: String) async -> Bool {
        for (loop, context) in all {
            guard (try? await loop.submit { context.value.ledger.hasLeft(name) }.get()) == true else { return false }
        }
        return true
    }

    func flushLogs() async {
        for (loop, context) in all { _ = try? await loop.submit { context.value.log.flush() }.get() }
    }
}

extension LoopContext {
    /// The loop's counts with what it holds right now.
    fileprivate var reading: GateMeter {
        var reading = meter
        reading.requests = front.meter.requests
        reading.openHolds = ledger.openHolds
        reading.settlementBacklog = ledger.backlog
        (reading.refusedSettlements, reading.settlementRefusals, reading.droppedSettlements) = ledger.refused
        reading.connections = front.connections.count
        reading.streams = streams.count + listeners.count
        let keys = cache.assumeIsolated { (hits: $0.hits, misses: $0.misses, count: $0.count) }
        reading.cachedKeys = keys.count
        reading.cacheHits = keys.hits
        reading.cacheMisses = keys.misses
        return reading
    }
}
