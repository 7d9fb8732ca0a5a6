// Hands what the audit log is told on to those who listen on this node: one reader for all of them, and none while nobody listens.

import ClusterState
import Logging
import ServiceLifecycle

/// Streams of audit events (F-AUDIT-08).
///
/// Bounded: `capacity` streams a node, `backlog` events that wait for the reader of one; who is slower than that is told so and let go.
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
    }

    private struct Listener {
        let takes: @Sendable (AuditLog.Entry) -> Bool
        let out: AsyncStream<Signal>.Continuation
    }

    /// Streams of a node.
    static let capacity = 32
    /// Events that wait for one reader.
    static let backlog = 1000
    /// How long a stream is silent at most (F-AUDIT-08).
    static let silence = Duration.seconds(15)

    private let store: RedisStore
    private var listeners: [Int: Listener] = [:]
    /// Seats that were not given back yet.
    private var taken: Set<Int> = []
    private var tail: AuditTail?
    private var turn = 0
    private var isOver = false
    private var silentUntil = ContinuousClock.now

    init(_ store: RedisStore) {
        self.store = store
    }

    /// From now on, whatever is told reaches the signals.
    /// - Returns: nil where as many listen as may, or the node is ending.
    /// - Throws: `StoreFailure`.
    func listen(_ takes: @escaping @Sendable (AuditLog.Entry) -> Bool) async throws -> Seat? {
        if tail == nil {
            let fresh = try await AuditTail(store: store)
            if tail == nil { tail = fresh }
        }
        guard taken.count < Self.capacity, !isOver else { return nil }
        if listeners.isEmpty { silentUntil = .now + Self.silence }
        turn += 1
        let (signals, out) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingOldest(Self.backlog))
        listeners[turn] = Listener(takes: takes, out: out)
        taken.insert(turn)
        return Seat(number: turn, signals: signals)
    }

    func leave(_ seat: Seat) {
        listeners.removeValue(forKey: seat.number)?.out.finish()
        taken.remove(seat.number)
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
        for (_, listener) in listeners {
            listener.out.yield(.end("The node is stopping; connect again."))
            listener.out.finish()
        }
        listeners = [:]
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
