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
    /// Dead letters that are read at once.
    private static let letterPage = 50
    /// Sinks that are looked at from either end of a list.
    private static let heads = 64
    /// Milliseconds for which a node has the turn.
    private static let turn = 3000

    private let store: any CommandStore
    private var keys: RedisKeys { store.keys }
    private var cursors: String { keys.webhooks("cursors") }
    private var counts: String { keys.webhooks("counts") }
    private var turnName: String { keys.webhooks("turn") }
    private var dead: String { keys.webhooks("dead") }
    private var log: String { keys.webhooks("log") }

    package init(store: any CommandStore) {
        self.store = store
    }

    /// Shards whose streams are read.
    package var shards: Int { keys.shards }

    private func due(_ kind: WebhookSinkKind) -> String { keys.webhooks(kind == .gate ? "due" : "due:keys") }
    private func queue(_ sink: String) -> String { keys.webhooks("queue:" + sink) }
    private func state(_ sink: String) -> String { keys.webhooks("state:" + sink) }

    // MARK: Reading

    /// The streams of a shard by the names of their cursors.
    private func streams(_ shard: Int) -> [(name: String, stream: String)] {
        [("u\(shard)", keys.usage(shard)), ("a\(shard)", keys.audit(shard))]
    }

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

    /// Whether this node is the one that reads and delivers. Nothing depends on its being one alone.
    /// - Throws: `StoreFailure`.
    package func hasTurn(_ node: String) async throws -> Bool {
        let time = String(Self.turn)
        if try await store.send(RedisCommand("SET", turnName, node, "NX", "PX", time)) != .null { return true }
        guard try await store.send(RedisCommand("GET", turnName)).string == node else { return false }
        _ = try await store.send(RedisCommand("PEXPIRE", turnName, time))
        return true
    }

    /// Lets another node have the turn at once.
    package func leaveTurn(_ node: String) async {
        guard (try? await store.send(RedisCommand("GET", turnName)).string) == node else { return }
        _ = try? await store.send(RedisCommand("DEL", turnName))
    }

    /// What is new in the streams of some shards.
    /// - Throws: `StoreFailure`.
    package func read(_ shards: Range<Int>) async throws -> [WebhookPage] {
        let found = try await places()
        let streams = shards.flatMap(streams)
        let replies = try await store.sendAll(
            streams.map { name, stream in
                RedisCommand("XRANGE", stream, found[name].map { "(" + $0 } ?? "-", "+", "COUNT", String(Self.page))
            })
        return shards.indices.map { index in
            var (readings, occurrences, isFull): ([WebhookPage.Reading], [WebhookOccurrence], Bool) = ([], [], false)
            for place in (index - shards.lowerBound) * 2..<(index - shards.lowerBound) * 2 + 2 {
                let (name, entries) = (streams[place].name, replies[place].array ?? [])
                let cursor = found[name] ?? ""
                let next = entries.last?.array?.first?.string ?? cursor
                var places: [String] = []
                for entry in entries {
                    guard let occurrence = WebhookOccurrence(entry, of: name, after: cursor), let place = entry.array?.first?.string
                    else { continue }
                    occurrences.append(occurrence)
                    places.append(place)
                }
                readings.append(WebhookPage.Reading(field: name, cursor: cursor, next: next, places: places))
                isFull = isFull || entries.count == Self.page
            }
            return WebhookPage(readings: readings, occurrences: occurrences, isFull: isFull)
        }
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

    private func places() async throws -> [String: String] {
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

    /// Dead letters, the oldest first, `count` of them from `offset` on.
    /// - Throws: `StoreFailure`.
    package func letters(offset: Int = 0, count: Int = WebhookQueue.deadLetters) async throws -> [[UInt8]] {
        let end = min(offset + count, try await letterCount())
        // In pages: a thousand of them are megabytes.
        let pages = try await store.sendAll(
            stride(from: offset, to: end, by: Self.letterPage).map { start in
                RedisCommand("LRANGE", dead, String(start), String(min(start + Self.letterPage, end) - 1))
            })
        return pages.flatMap { $0.array ?? [] }.compactMap { word in if case .bytes(let bytes) = word { bytes } else { nil } }
    }

    /// How many dead letters there are.
    /// - Throws: `StoreFailure`.
    package func letterCount() async throws -> Int { try await store.sendPatiently(RedisCommand("LLEN", dead)).integer ?? 0 }

    /// Forgets the dead letters that there are now. - Returns: how many.
    /// - Throws: `StoreFailure`.
    package func clearLetters() async throws -> Int {
        let count = try await letterCount()
        _ = try await store.send(RedisCommand(once: "LTRIM", dead, String(count), "-1"))
        return count
    }

    /// Puts the events of a dead letter back into the queue of a sink. - Returns: false if it is gone, or the queue has no room.
    /// - Throws: `StoreFailure`.
    package func replay(_ letter: [UInt8], events: [[UInt8]], to sink: String) async throws -> Bool {
        guard !events.isEmpty else { return false }
        let kind = WebhookSinkKind(of: sink)
        var command = RedisCommand(script: .webhookReplay, keys: 4)
        for name in [counts, due(kind), queue(sink), dead, sink] { command.append(name) }
        command.append(kind.rawValue)
        command.append(kind.capacity)
        command.append(letter)
        command.append(events.count)
        for event in events { command.append(event) }
        return try await store.sendPatiently(command).status == 0
    }

    /// Writes an audit entry of something that is no change of a record.
    /// - Throws: `StoreFailure`.
    package func note(_ audit: AuditEntry) async throws {
        var command = RedisCommand(
            once: "XADD", keys.audit(0), "MAXLEN", "~", String(AuditEntry.retained), "*", "e")
        command.append(audit.packed)
        _ = try await store.send(command)
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
