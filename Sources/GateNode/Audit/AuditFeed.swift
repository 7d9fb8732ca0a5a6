// Hands what the audit log is told on to those who listen on this node: one reader for all of them, and none while nobody listens.

import ClusterState
import Logging
import ServiceLifecycle

/// Streams of audit events (F-AUDIT-08).
///
/// Bounded: `capacity` streams a node that go on, `share` of them for one administrator, as many again that are about to end, `backlog` events
/// that wait for the reader of one; who is slower than that is told so and let go. Where all are taken, who has most gives one up to whoever
/// has at least two fewer.
actor AuditFeed {
    /// What a stream writes next.
    enum Signal: Sendable {
        case entry(AuditLog.Entry)
        /// Nothing for a while: is anybody there?
        case silence
        /// It is over, and why.
        case end(String)
    }

    /// A place in the feed; whoever has one gives it back.
    struct Seat: Sendable {
        fileprivate let number: Int
        let signals: AsyncStream<Signal>
        private let hold: Hold

        fileprivate init(_ number: Int, in feed: AuditFeed, _ signals: AsyncStream<Signal>) {
            (self.number, self.signals, hold) = (number, signals, Hold(number, in: feed))
        }

        /// Gives the place back, whoever still reads; keeps nothing of it.
        var release: @Sendable () async -> Void { hold.release }
    }

    /// Gives a place back that nobody can read from any more: an answer to a client that has gone before is never written.
    private final class Hold: Sendable {
        private let number: Int
        private let feed: AuditFeed

        init(_ number: Int, in feed: AuditFeed) {
            (self.number, self.feed) = (number, feed)
        }

        var release: @Sendable () async -> Void { { [number, feed] in await feed.leave(number) } }

        deinit {
            // Owned by the feed, which it keeps for one step.
            Task { [release] in await release() }
        }
    }

    private struct Listener {
        let takes: @Sendable (AuditLog.Entry) -> Bool
        let out: AsyncStream<Signal>.Continuation
    }

    /// Streams of a node.
    static let capacity = 32
    /// Streams of one administrator that go on: a further one ends the oldest, as nobody knows which of their clients are still there. As many
    /// again may be about to end.
    static let share = 4
    /// Events that wait for one reader.
    static let backlog = 1000
    /// How long a stream is silent at most (F-AUDIT-08).
    static let silence = Duration.seconds(15)

    private let store: RedisStore
    private var listeners: [Int: Listener] = [:]
    /// Who has the seats that were not given back yet.
    private var taken: [Int: String] = [:]
    private var tail: AuditTail?
    private var turn = 0
    private var isOver = false
    private var silentUntil = ContinuousClock.now

    init(_ store: RedisStore) {
        self.store = store
    }

    /// From now on, whatever is told reaches the signals.
    /// - Parameter administrator: the id of the key of who listens.
    /// - Returns: nil where as many listen as may, or the node is ending.
    /// - Throws: `StoreFailure`.
    func listen(for administrator: String, _ takes: @escaping @Sendable (AuditLog.Entry) -> Bool) async throws -> Seat? {
        if tail == nil {
            let fresh = try await AuditTail(store: store)
            if tail == nil { tail = fresh }
        }
        let own = taken.filter { $0.value == administrator }.keys
        guard taken.count < 2 * Self.capacity, own.count < 2 * Self.share, !isOver else { return nil }
        let open = own.filter { listeners[$0] != nil }
        if open.count >= Self.share, let oldest = open.min() {
            end(oldest, "This admin key has opened \(Self.share) streams since on this node, which is as many as go on.")
        } else if listeners.count >= Self.capacity {
            guard let oldest = oldestOfMost(atLeast: open.count + 2) else { return nil }
            end(oldest, "Another admin key needs a place, and this one has most of the \(Self.capacity) streams of this node.")
        }
        if listeners.isEmpty { silentUntil = .now + Self.silence }
        turn += 1
        let (signals, out) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingOldest(Self.backlog))
        listeners[turn] = Listener(takes: takes, out: out)
        taken[turn] = administrator
        return Seat(turn, in: self, signals)
    }

    /// The oldest stream of the administrator who has most; nil where nobody has so many.
    private func oldestOfMost(atLeast count: Int) -> Int? {
        let streams = Dictionary(grouping: listeners.keys) { taken[$0] ?? "" }.values
        return streams.filter { $0.count >= count }.max { ($0.count, -($0.min() ?? 0)) < ($1.count, -($1.min() ?? 0)) }?.min()
    }

    func leave(_ seat: Seat) { leave(seat.number) }

    private func leave(_ number: Int) {
        listeners.removeValue(forKey: number)?.out.finish()
        taken[number] = nil
    }

    /// Reads what is new. - Returns: whether there may be more.
    func advance() async -> Bool {
        guard !listeners.isEmpty else {
            tail = nil
            return false
        }
        guard var reader = tail else { return false }
        let (entries, hasMore) = await reader.next()
        // Nobody else reads; who has come meanwhile has found this reader.
        if tail != nil { tail = reader }
        for entry in entries {
            for (number, listener) in listeners where listener.takes(entry) { send(.entry(entry), to: number) }
        }
        if ContinuousClock.now >= silentUntil {
            silentUntil = .now + Self.silence
            for number in listeners.keys { send(.silence, to: number) }
        }
        return hasMore
    }

    /// Whether somebody still writes.
    var isInUse: Bool { !taken.isEmpty }

    /// Ends all streams, and takes no more.
    func end() {
        isOver = true
        for number in listeners.keys { end(number, "The node is stopping; connect again.") }
    }

    private func end(_ number: Int, _ why: String) {
        let listener = listeners.removeValue(forKey: number)
        listener?.out.yield(.end(why))
        listener?.out.finish()
    }

    private func send(_ signal: Signal, to number: Int) {
        guard let out = listeners[number]?.out else { return }
        guard case .enqueued = out.yield(signal) else {
            // What does not fit is lost for this reader, and it hears of the end when it has read the rest.
            listeners[number] = nil
            return out.finish()
        }
    }
}

/// Keeps the feed of a node up with the log. It stands behind the listener, so that it ends before that closes the connections.
struct AuditFeedService: Service {
    let feed: AuditFeed

    /// Between two looks at a log that has nothing new.
    private static let interval = Duration.milliseconds(500)
    /// How long those who listen are given to hear that it is over.
    private static let farewell = Duration.seconds(2)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if await !feed.advance() { try? await Task.sleep(for: Self.interval) }
            }
        }
        await feed.end()
        let limit = ContinuousClock.now + Self.farewell
        while await feed.isInUse, ContinuousClock.now < limit { try? await Task.sleep(for: .milliseconds(20)) }
    }
}
