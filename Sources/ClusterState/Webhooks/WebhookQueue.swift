// The queues of webhooks in Redis: what waits for each sink, how far the streams have been read, dead letters, the delivery log.

import GateDomain
import LuaScripts

/// All of it lies in shard 0, so that one script does each step; the streams lie in every shard and are only read.
///
/// Invariant: the cursor of a stream moves in the step that puts its events into the queues, and an event leaves its queue in the step that
/// notes how its delivery ended. So a node may die at any moment: another one goes on, and each event is delivered at least once. Two nodes
/// at once do no harm: of a page the first counts, and of a batch the attempt whose turn it is.
///
/// Bounds: `capacity` events a queue, `keyCapacity` in a queue of a key and `keyRoom` in all of these; what is above them is dropped and
/// counted. `deadLetters` batches and `logged` attempts are kept, the newest.
package struct WebhookQueue: Sendable {
    /// Events that wait for one sink of the gate.
    package static let capacity = 10_000
    /// Events that wait for the sink of one key.
    package static let keyCapacity = 1000
    /// Events that wait for sinks of keys.
    package static let keyRoom = 100_000
    /// Events of a delivery (F-WH-01).
    package static let batch = 10
    /// Batches that nobody has taken.
    package static let deadLetters = 1000
    /// Attempts in the delivery log (F-WH-13).
    package static let logged = 500
    /// Events of a page of one stream: few enough not to occupy Redis.
    private static let page = 100
    /// Sinks that are looked at from either end of a list.
    private static let heads = 64

    let store: any CommandStore
    private var keys: RedisKeys { store.keys }
    private var cursors: String { keys.webhooks("cursors") }
    var counts: String { keys.webhooks("counts") }
    var dead: String { keys.webhooks("dead") }
    private var log: String { keys.webhooks("log") }

    package init(store: any CommandStore) {
        self.store = store
    }

    func due(_ kind: WebhookSinkKind) -> String { keys.webhooks(kind == .gate ? "due" : "due:keys") }
    func queue(_ sink: String) -> String { keys.webhooks("queue:" + sink) }
    private func state(_ sink: String) -> String { keys.webhooks("state:" + sink) }

    // MARK: Reading

    /// The streams of a shard by the names of their cursors.
    private func streams(_ shard: Int) -> [(name: String, stream: String)] {
        zip(Self.cursors(of: shard), [keys.usage(shard), keys.audit(shard)]).map { (name: $0, stream: $1) }
    }

    static func cursors(of shard: Int) -> [String] { ["u\(shard)", "a\(shard)"] }

    /// Begins at the end of every stream that was never read; to be called before the node serves, so that nothing of its own is missed.
    /// - Throws: `StoreFailure`.
    package func prepare() async throws {
        for shard in 0..<keys.shards {
            for (name, stream) in streams(shard) where try await store.sendPatiently(RedisCommand("HEXISTS", cursors, name)).integer == 0 {
                let last = try await store.sendPatiently(RedisCommand("XREVRANGE", stream, "+", "-", "COUNT", "1"))
                _ = try await store.sendPatiently(RedisCommand("HSETNX", cursors, name, last.array?.first?.array?.first?.string ?? "0-0"))
            }
        }
    }

    /// Which node reads and delivers. Nothing depends on its being one alone.
    package var turn: NodeTurn { NodeTurn(store: store, name: keys.webhooks("turn")) }

    /// Who reads the streams; a page is applied by `spool`.
    package var consumer: EventConsumer {
        EventConsumer(
            store: store, page: Self.page, streams: { [self] in streams($0).map(\.stream) },
            cursors: { [self] shards in
                let found: Result<[String: String], StoreFailure>
                do throws(StoreFailure) { found = .success(try await places()) } catch { found = .failure(error) }
                return shards.map { shard in found.map { places in streams(shard).map { places[$0.name] ?? "" } } }
            })
    }

    /// The way from the cursors to the ends of all streams, for a time when nobody is to hear of anything.
    /// - Throws: `StoreFailure`.
    package func remainders() async throws -> [WebhookPage] {
        let found = try await places()
        let streams = (0..<keys.shards).flatMap(streams)
        let ends = try await store.sendAll(streams.map { RedisCommand("XREVRANGE", $0.stream, "+", "-", "COUNT", "1") })
        return zip(streams, ends).map { stream, end in
            let cursor = found[stream.name] ?? ""
            let next = end.array?.first?.array?.first?.string ?? cursor
            return WebhookPage(
                readings: [WebhookPage.Reading(field: stream.name, cursor: cursor, next: next)], occurrences: [], isFull: false)
        }
    }

    private func places() async throws(StoreFailure) -> [String: String] {
        try await store.sendPatiently(RedisCommand("HGETALL", cursors)).fields
    }

    /// What keys are called today.
    /// - Throws: `StoreFailure`.
    package func labels(of ids: [String]) async throws -> [String: KeyLabel] {
        let replies = try await store.sendAll(ids.map { KeyLabel.command(of: $0, keys: keys) })
        return Dictionary(zip(ids, replies.map { KeyLabel($0) }), uniquingKeysWith: { first, _ in first })
    }

    /// Puts the events of a page into the queues and moves the cursors, in steps, each of which does both. Where another node was faster
    /// nothing more happens.
    /// - Parameters:
    ///   - parcels: what each occurrence of the page is sent as, and to which of `sinks`; empty where nobody hears of any.
    ///   - flush: milliseconds until less than a batch is sent.
    /// - Returns: how many events the bounds have dropped, by the names of their sinks.
    /// - Throws: `StoreFailure`.
    @discardableResult
    package func spool(
        _ page: WebhookPage, _ parcels: [WebhookParcel] = [], to sinks: [(name: String, kind: WebhookSinkKind)] = [], flush: Int
    ) async throws -> [String: Int] {
        var dropped: [String: Int] = [:]
        for step in page.steps(parcels) {
            let parcels = step.occurrences.upperBound <= parcels.count ? Array(parcels[step.occurrences]) : []
            guard let lost = try await spool(step.readings, parcels, to: sinks, flush: flush) else { break }
            dropped.merge(lost, uniquingKeysWith: +)
        }
        return dropped
    }

    /// One step. - Returns: nil where a cursor is elsewhere.
    func spool(
        _ readings: [WebhookPage.Reading], _ parcels: [WebhookParcel], to all: [(name: String, kind: WebhookSinkKind)], flush: Int
    ) async throws -> [String: Int]? {
        let parcels = parcels.filter { !$0.sinks.isEmpty }
        let used = Set(parcels.flatMap(\.sinks)).sorted()
        let sinks = used.map { all[$0] }
        let numbers = Dictionary(zip(used, 1...), uniquingKeysWith: { first, _ in first })
        var command = RedisCommand(script: .webhookSpool, keys: 4 + sinks.count * 2)
        for name in [cursors, counts, due(.gate), due(.key)] + sinks.flatMap({ [queue($0.name), state($0.name)] }) { command.append(name) }
        command.append(flush)
        command.append(Self.batch)
        command.append(Self.keyRoom)
        command.append(readings.count)
        for reading in readings { for word in [reading.field, reading.cursor, reading.next] { command.append(word) } }
        command.append(sinks.count)
        for sink in sinks {
            command.append(sink.name)
            command.append(sink.kind.rawValue)
            command.append(sink.kind.capacity)
        }
        command.append(parcels.count)
        for parcel in parcels { command.append(parcel.event) }
        for (index, parcel) in parcels.enumerated() {
            for sink in parcel.sinks {
                command.append(numbers[sink] ?? 0)
                command.append(index + 1)
            }
        }
        let reply = try await store.sendPatiently(command)
        guard reply.status == 0 else { return nil }
        let losses = reply.array?.dropFirst().map(\.self) ?? []
        return stride(from: 0, to: losses.count - 1, by: 2).reduce(into: [:]) { dropped, index in
            dropped[losses[index].string ?? "", default: 0] += losses[index + 1].integer ?? 0
        }
    }

    // MARK: Delivering

    /// Sinks that something is to be sent to, the longest due first.
    /// - Parameter now: milliseconds since 1970; nil for every sink that anything waits for.
    /// - Throws: `StoreFailure`.
    package func dueSinks(_ kind: WebhookSinkKind, at now: Int?, count: Int) async throws -> [String] {
        let bound = now.map(String.init) ?? "+inf"
        let reply = try await store.send(RedisCommand("ZRANGEBYSCORE", due(kind), "-inf", bound, "LIMIT", "0", String(count)))
        return reply.array?.compactMap(\.string) ?? []
    }

    /// What a sink gets next; nil if nothing waits.
    /// - Throws: `StoreFailure`.
    package func take(_ sink: String) async throws -> WebhookBatch? {
        let kind = WebhookSinkKind(of: sink)
        var command = RedisCommand(script: .webhookTake, keys: 4)
        for name in [counts, due(kind), queue(sink), state(sink), sink] { command.append(name) }
        command.append(Self.batch)
        let reply = try await store.sendPatiently(command)
        guard reply.status == 0, let words = reply.array, words.count > 4 else { return nil }
        let events = words.dropFirst(4).compactMap { word in if case .bytes(let bytes) = word { bytes } else { [UInt8]?.none } }
        return WebhookBatch(
            turn: reply.integer(at: 1), attempts: reply.integer(at: 2), firstAttempt: reply.integer(at: 3), events: events)
    }

    /// Notes how an attempt ended, in the step that takes the batch out of the queue or makes it wait.
    /// - Parameters:
    ///   - entry: what the delivery log says of it, without its number.
    ///   - firstAttempt: milliseconds since 1970.
    ///   - flush: milliseconds until less than a batch is sent.
    /// - Returns: milliseconds until the sink is due again, nil if nothing waits for it or another attempt was faster.
    /// - Throws: `StoreFailure`.
    package func end(
        _ batch: WebhookBatch, of sink: String, as verdict: WebhookVerdict, firstAttempt: Int, entry: [UInt8], flush: Int
    ) async throws -> Int? {
        let kind = WebhookSinkKind(of: sink)
        var command = RedisCommand(script: .webhookEnd, keys: 6)
        for name in [counts, due(kind), queue(sink), state(sink), log, dead, sink] { command.append(name) }
        command.append(batch.turn)
        command.append(verdict.word)
        command.append(verdict.wait)
        command.append(flush)
        command.append(Self.batch)
        command.append(kind.rawValue)
        command.append(firstAttempt)
        command.append(entry)
        command.append(Self.logged)
        command.append(verdict.letter)
        command.append(Self.deadLetters)
        let reply = try await store.sendPatiently(command)
        let wait = reply.integer(at: 1)
        return reply.status == 0 && wait >= 0 ? wait : nil
    }

    /// What waits for a sink that is there no more is dropped, and counted. - Returns: events.
    /// - Throws: `StoreFailure`.
    @discardableResult
    package func drop(_ sink: String) async throws -> Int {
        let kind = WebhookSinkKind(of: sink)
        var command = RedisCommand(script: .webhookDrop, keys: 4)
        for name in [counts, due(kind), queue(sink), state(sink), sink] { command.append(name) }
        command.append(kind.rawValue)
        return try await store.sendPatiently(command).integer(at: 1)
    }

    // MARK: What operators see

    /// All that is counted, by its names: `delivered`, `failed`, `retries`, `dropped`, `forgotten`, `waiting`, `retrying`; for a sink of the
    /// gate also with a colon and its name behind them.
    /// - Throws: `StoreFailure`.
    package func figures() async throws -> [String: Int] {
        try await store.sendPatiently(RedisCommand("HGETALL", counts)).fields.compactMapValues { Int($0) }
    }

    /// What waits for sinks of one kind, and the first event of each of them; of more than twice `heads` sinks of those that are due first and
    /// of those that are due last, which are the ones that have failed most.
    /// - Returns: `now` in milliseconds of Redis TIME; nil where the store does not say.
    package func heads(_ kind: WebhookSinkKind) async -> (waiting: Int, events: [[UInt8]], now: Int)? {
        let list = due(kind)
        let answers = await store.each([
            RedisCommand("HMGET", counts, "waiting", "waiting:keys"), RedisCommand("ZRANGE", list, "0", String(Self.heads - 1)),
            RedisCommand("ZRANGE", list, String(-Self.heads), "-1"), RedisCommand("TIME"),
        ]).compactMap { try? $0.get() }
        guard answers.count == 4 else { return nil }
        let ofKeys = answers[0].integer(at: 1)
        let sinks = Set(answers[1...2].flatMap { $0.array ?? [] }.compactMap(\.string))
        let events = await store.each(sinks.map { RedisCommand("LRANGE", queue($0), "0", "0") }).compactMap { answer -> [UInt8]? in
            guard case .success(.array(let words)) = answer, case .bytes(let bytes)? = words.first else { return nil }
            return bytes
        }
        return (
            kind == .key ? ofKeys : answers[0].integer(at: 0) - ofKeys, events,
            answers[3].integer(at: 0) * 1000 + answers[3].integer(at: 1) / 1000
        )
    }

    /// Attempts as the log has them, the newest first, each with its number.
    /// - Throws: `StoreFailure`.
    package func attempts() async throws -> [(number: Int, entry: [UInt8])] {
        let entries = try await store.sendPatiently(RedisCommand("XREVRANGE", log, "+", "-", "COUNT", String(Self.logged))).array ?? []
        return entries.compactMap { entry in
            guard let fields = entry.array?.last?.array, fields.count == 4, let number = fields[1].integer,
                case .bytes(let bytes) = fields[3]
            else { return nil }
            return (number, bytes)
        }
    }
}

/// Whose a sink is: it decides the bounds of its queue, and who waits for whom.
package enum WebhookSinkKind: Int, Sendable {
    /// The gate's own: the configured one and those of filters.
    case gate = 1
    /// A key's.
    case key = 2

    /// Of a sink by its name.
    package init(of sink: String) { self = sink.hasPrefix(KeyWebhook.prefix) ? .key : .gate }

    /// Events that may wait for one of them.
    var capacity: Int { self == .gate ? WebhookQueue.capacity : WebhookQueue.keyCapacity }
}

/// What a sink is sent at once.
package struct WebhookBatch: Sendable {
    /// Names the attempt that may end it.
    package let turn: Int
    /// Attempts that have failed.
    package let attempts: Int
    /// Milliseconds since 1970; 0 before the first one has ended.
    package let firstAttempt: Int
    /// 1 to `WebhookQueue.batch`, as they were put in.
    package let events: [[UInt8]]
}

/// How an attempt ended.
package enum WebhookVerdict: Sendable {
    /// The sink has taken it.
    case done
    /// It is tried again after so many milliseconds.
    case retry(Int)
    /// Nobody tries again; what is kept of it.
    case dead([UInt8])

    var word: String {
        switch self {
        case .done: "done"
        case .retry: "retry"
        case .dead: "dead"
        }
    }

    var wait: Int { if case .retry(let wait) = self { wait } else { 0 } }
    var letter: [UInt8] { if case .dead(let letter) = self { letter } else { [] } }
}
