// Tells sinks what has happened: reads the streams into their queues, and empties the queues, whenever it is this node's turn.

import ClusterState
import GateDomain
import GateSettings
import Logging
import ServiceLifecycle
import Synchronization

/// Runs on every node; the one that has the turn works, and where that one dies another goes on within seconds (F-WH-19).
///
/// A sink has one attempt under way at a time, and a queue of its own: a slow one delays itself. Sinks of the gate never wait for others;
/// of those of keys `mostOfKeys` are served at once.
struct WebhookService: Service {
    let webhooks: Webhooks
    let node: String
    let logger: Logger

    private static let interval = Duration.milliseconds(200)
    /// For what still waits when the node is stopped; what is left over goes on elsewhere, or after the next start.
    private static let farewell = Duration.seconds(3)
    /// Sinks of keys that are served at once.
    private static let mostOfKeys = 256

    func run() async throws {
        let course = Course(mostOfKeys: Self.mostOfKeys)
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                await follow(course, &group)
                await finish(course, &group)
            }
        } onGracefulShutdown: {
            course.stop()
        }
        webhooks.sender.connections.end()
        webhooks.tally.report(to: logger, atOnce: true)
        await webhooks.queue.turn.leave(node)
    }

    private func follow(_ course: Course, _ group: inout DiscardingTaskGroup) async {
        while !course.isStopping, !Task.isCancelled {
            var hasMore = false
            do {
                course.hasTurn = try await webhooks.queue.turn.take(node)
                if course.hasTurn {
                    hasMore = try await spool()
                    try await start(course, &group, at: webhooks.clock.milliseconds)
                }
            } catch {
                course.hasTurn = false
                // The streams and queues are gone on with where they stand when the store is there again.
                logger.debug("webhooks wait for the store", metadata: ["error": "\(error)"])
            }
            webhooks.tally.report(to: logger)
            if !hasMore { try? await Task.sleep(for: course.hasTurn ? Self.interval : Self.interval * 2) }
        }
    }

    /// Sends what waits, without waiting for more of it; what has failed is left for later.
    private func finish(_ course: Course, _ group: inout DiscardingTaskGroup) async {
        let deadline = ContinuousClock.now + Self.farewell
        if course.hasTurn {
            while ContinuousClock.now < deadline, (try? await spool()) == true {}
            try? await start(course, &group, at: nil)
        }
        while ContinuousClock.now < deadline, course.isBusy { try? await Task.sleep(for: .milliseconds(20)) }
        course.hasTurn = false
        group.cancelAll()
    }

    // MARK: Reading

    /// Reads a page of each shard into the queues. - Returns: whether there may be more.
    private func spool() async throws -> Bool {
        if try await !webhooks.hasSinks() {
            // The ends are read before the sinks: whoever is named after that hears of all that comes after him.
            let ends = try await webhooks.queue.remainders()
            if try await !webhooks.hasSinks() {
                for page in ends where !page.isEmpty { try await webhooks.queue.spool(page, flush: 0) }
                return false
            }
        }
        let step = await webhooks.queue.consumer.advance { found in
            do {
                // Sinks are read after the pages: one that was named before an event hears of it.
                let sinks = try await webhooks.gateSinks()
                for pages in found { try await spool(WebhookPage(pages), to: sinks) }
                return nil
            } catch { return error }
        }
        if let failure = step.failure {
            // What was read of other shards is on its way; the cursor of this one stays where it is.
            logger.debug("webhooks wait for a shard", metadata: ["error": "\(failure)"])
        }
        return step.left && step.failure == nil
    }

    private func spool(_ page: WebhookPage, to gateSinks: [WebhookSink]) async throws {
        let keys = Array(Set(page.occurrences.flatMap(\.keyIDs)))
        let hooks = try await webhooks.keyHooks.count() > 0 ? webhooks.keyHooks.read(keys.map { KeyWebhook.id(of: $0) }) : []
        let sinks = gateSinks + hooks.compactMap { WebhookSink($0) }
        let labels = sinks.isEmpty ? [:] : try await webhooks.queue.labels(of: keys)
        let parcels = page.occurrences.map { occurrence in
            if sinks.isEmpty { return WebhookParcel() }
            let event = WebhookEvent(occurrence, labels: labels)
            let takers = Self.takers(of: event, among: sinks)
            return takers.isEmpty ? WebhookParcel() : WebhookParcel(event: event.packed, sinks: takers)
        }
        let dropped = try await webhooks.queue.spool(
            page, parcels, to: sinks.map { ($0.name, $0.kind) }, flush: webhooks.settings.webhookFlushMs)
        webhooks.tally.lost(dropped)
    }

    /// Places of the sinks that an event goes to; of filters that send the same to the same place the first counts.
    private static func takers(of event: WebhookEvent, among sinks: [WebhookSink]) -> [Int] {
        var takers: [Int] = []
        let hooks = event.keys.map { KeyWebhook.id(of: $0.id) }
        for (place, sink) in sinks.enumerated() {
            guard sink.kind == .gate ? sink.takes(event) : hooks.contains(sink.name) else { continue }
            let isTold =
                sink.filter != nil
                && takers.contains { sinks[$0].filter != nil && sinks[$0].url == sink.url && sinks[$0].secret == sink.secret }
            if !isTold { takers.append(place) }
        }
        return takers
    }

    // MARK: Delivering

    /// - Parameter now: milliseconds since 1970; nil for all that waits.
    private func start(_ course: Course, _ group: inout DiscardingTaskGroup, at now: Int?) async throws {
        course.isPaused = try await webhooks.pausedAt() != nil
        guard !course.isPaused else { return }
        for kind in [WebhookSinkKind.gate, .key] {
            for name in try await webhooks.queue.dueSinks(kind, at: now, count: 2 * Self.mostOfKeys) where course.begin(name) {
                group.addTask {
                    do { try await empty(name, course) } catch {
                        logger.debug("a webhook waits for the store", metadata: ["error": "\(error)"])
                    }
                    course.end(name)
                }
            }
        }
    }

    /// Sends batch after batch until the queue is empty, waits for more, or a batch has failed.
    private func empty(_ name: String, _ course: Course) async throws {
        while course.hasTurn, !course.isPaused, !Task.isCancelled {
            guard let sink = try await webhooks.sink(name) else {
                // The configured sink may come back with the next configuration; the others are gone for good.
                if name != WebhookSink.usual { try await webhooks.drop(name) }
                return
            }
            guard let batch = try await webhooks.queue.take(name), !course.isStopping || batch.attempts == 0 else { return }
            guard let wait = try await webhooks.deliver(batch, to: sink), wait == 0 || course.isStopping else { return }
        }
    }
}

/// Where the service stands, as its tasks see it.
private final class Course: Sendable {
    private struct State {
        var isStopping = false
        var hasTurn = false
        var isPaused = false
        var busy: Set<String> = []
        var busyKeys = 0
    }

    private let state = Mutex(State())
    private let mostOfKeys: Int

    init(mostOfKeys: Int) {
        self.mostOfKeys = mostOfKeys
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }
    func stop() { state.withLock { $0.isStopping = true } }

    var hasTurn: Bool {
        get { state.withLock { $0.hasTurn } }
        set { state.withLock { $0.hasTurn = newValue } }
    }

    var isPaused: Bool {
        get { state.withLock { $0.isPaused } }
        set { state.withLock { $0.isPaused = newValue } }
    }

    var isBusy: Bool { state.withLock { !$0.busy.isEmpty } }

    /// False where the sink is being served, or there is no room for one more of a key.
    func begin(_ name: String) -> Bool {
        let isOfKey = WebhookSinkKind(of: name) == .key
        return state.withLock { state in
            guard !isOfKey || state.busyKeys < mostOfKeys, state.busy.insert(name).inserted else { return false }
            if isOfKey { state.busyKeys += 1 }
            return true
        }
    }

    func end(_ name: String) {
        state.withLock { state in
            state.busy.remove(name)
            if WebhookSinkKind(of: name) == .key { state.busyKeys -= 1 }
        }
    }
}
