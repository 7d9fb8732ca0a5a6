// /webhooks: what is delivered, what was not, and whether anything is (F-WH-05, F-WH-06, F-WH-12 to F-WH-14, F-WH-18).

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let webhookStats = Endpoint(
        .get, "/webhooks/stats", "Read how deliveries go, in all and for each sink.", for: .atLeast(.viewer),
        answer: WebhookStatus.stats.schema, using: \.webhooks
    ) { _, webhooks in
        EndpointResponse(WebhookStatus.stats, try await WebhookStatus(webhooks))
    }

    static let webhookHealth = health("/webhooks/health")
    static let adminWebhookHealth = health("/admin/webhook-health")

    private static func health(_ path: String) -> Endpoint {
        Endpoint(
            .get, path, "Read whether deliveries go well.", for: .atLeast(.viewer),
            answer: [
                "configured": .boolean, "status": .choice(WebhookStatus.words), "delivery": WebhookStatus.delivery.schema.maybe,
                "generatedAt": .time,
            ],
            using: \.webhooks
        ) { request, webhooks in
            let status = try await WebhookStatus(webhooks)
            var page: JSONObject = ["configured": .bool(status.isConfigured), "status": .string(status.word)]
            if status.isConfigured { page["delivery"] = WebhookStatus.delivery.json(status).json }
            page["generatedAt"] = .string(Timestamp.text(milliseconds: request.now))
            return EndpointResponse(json: .object(page))
        }
    }

    static let webhookLog = log("/webhooks/log")
    static let webhookDeliveries = log("/webhooks/deliveries")

    private static func log(_ path: String) -> Endpoint {
        Endpoint(
            .get, path, "List the last 500 attempts to deliver, newest first.", for: .atLeast(.viewer),
            query: [Field.attemptLimit, Field.attemptsSince, Field.attemptSuccess],
            answer: View<(Bool, Int, [LoggedAttempt])>([
                .flag("configured", \.0), .integer("total", \.1), .list("entries", LoggedAttempt.view, \.2),
            ]), using: \.webhooks
        ) { request, webhooks in
            let (limit, since, success) = (try request[.attemptLimit], try request[.attemptsSince], try request[.attemptSuccess])
            let found = try await webhooks.queue.attempts().compactMap { number, entry in
                WebhookAttempt(packed: entry).map { LoggedAttempt(number: number, attempt: $0) }
            }.filter { entry in
                (since.map { entry.attempt.time >= $0 } ?? true) && (success.map { entry.attempt.answer.isSuccess == $0 } ?? true)
            }
            return (try await webhooks.isConfigured(), found.count, Array(found.prefix(limit)))
        }
    }

    static let listDeadLetters = Endpoint(
        .get, "/webhooks/dead-letter", "List what nobody has taken, the oldest first; the newest 1,000 are kept.", for: .atLeast(.viewer),
        answer: View<([WebhookLetter], Int)>([.list("deadLetters", WebhookLetter.view, \.0), .integer("count", \.1)]), using: \.webhooks
    ) { _, webhooks in
        let letters = try await webhooks.queue.letters().compactMap { WebhookLetter(packed: $0) }
        return (letters, letters.count)
    }

    static let clearDeadLetters = Endpoint(
        .delete, "/webhooks/dead-letter", "Forget the dead letters.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey],
        answer: View<(Int, String)>([.integer("cleared", \.0), .text("message", \.1)]),
        failures: [.unprocessableContent], audits: ["webhook.dead_letter_cleared"], using: \.webhooks
    ) { request, webhooks in
        let count = try await webhooks.queue.clearLetters(
            Operation(id: request.operation, fingerprint: "clear letters", audit: request.audit("Dead letters cleared")))
        return (count, "Cleared \(count) dead letters")
    }

    static let replayDeadLetters = Endpoint(
        .post, "/webhooks/replay", "Deliver dead letters once more, all or some by their places in the list.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey], body: [Field.letterIndices],
        answer: View<(Int, Int, String)>([.integer("replayed", \.0), .integer("remaining", \.1), .text("message", \.2)]),
        failures: [.unprocessableContent], audits: ["webhook.replayed"], using: \.webhooks
    ) { request, webhooks in
        let indices = try request[.letterIndices] ?? []
        let letters = try await webhooks.queue.letters().compactMap { bytes in
            WebhookLetter(packed: bytes).map { (bytes: bytes, letter: $0) }
        }
        var chosen = indices.isEmpty ? letters : Set(indices).sorted().filter(letters.indices.contains).map { letters[$0] }
        let operation = Operation(
            id: try request.operation, fingerprint: "replay \(indices)",
            audit: request.audit("Dead letters replayed", ["letters": String(chosen.count)]))
        // Places are those of the list as it was when the operation began; whoever sends it again goes on with what is left of its choice.
        let begun = try await webhooks.queue.chosen(by: operation)
        let turns = begun.map { $0.split(separator: " ").map(String.init) } ?? chosen.map { String($0.letter.turn) }
        if begun != nil { chosen = letters.filter { turns.contains(String($0.letter.turn)) } }
        let (replayed, left) = try await webhooks.queue.replay(
            webhooks.replays(chosen), chosen: turns.joined(separator: " "), operation)
        let message = replayed == turns.count ? "" : "; the others have no sink any more, or its queue is full"
        return (replayed, left, "Replayed \(replayed) dead letters" + message)
    }

    static let pauseWebhooks = Endpoint(
        .post, "/webhooks/pause", "Stop deliveries on every node; events wait.", for: .atLeast(.admin),
        answer: View<(Bool, String)>([.flag("paused", \.0), .text("message", \.1)]), audits: ["webhook.pause"], using: \.webhooks
    ) { request, webhooks in
        guard try await webhooks.isConfigured() else { throw HTTPFailure.noWebhook }
        let isNew = try await webhooks.pause(true, now: request.now, audit: request.audit("Webhooks paused"))
        return (true, isNew ? "Webhook delivery paused; events are buffered" : "Webhook delivery was paused already")
    }

    static let resumeWebhooks = Endpoint(
        .post, "/webhooks/resume", "Let deliveries go on.", for: .atLeast(.admin),
        answer: View<(Bool, Int, String)>([.flag("paused", \.0), .integer("flushedEvents", \.1), .text("message", \.2)]),
        audits: ["webhook.resume"], using: \.webhooks
    ) { request, webhooks in
        guard try await webhooks.isConfigured() else { throw HTTPFailure.noWebhook }
        let waiting = max(0, try await webhooks.queue.figures()["waiting"] ?? 0)
        let isNew = try await webhooks.pause(
            false, now: request.now, audit: request.audit("Webhooks resumed", ["events": String(waiting)]))
        return (false, isNew ? waiting : 0, isNew ? "Webhook delivery resumed" : "Webhook delivery was not paused")
    }

    static let testWebhook = Endpoint(
        .post, "/webhooks/test", "Send a test event to webhookUrl and say how it was answered.", for: .atLeast(.admin),
        body: [Field.testMessage],
        answer: [
            "url": .string, "success": .boolean, "statusCode": .integer.maybe, "responseTime": .integer, "error": .string.maybe,
        ],
        audits: ["webhook.test"], using: { (webhooks: $0.webhooks, store: $0.store) }
    ) { request, parts in
        let (message, webhooks) = (try request[.testMessage] ?? "", parts.webhooks)
        guard let sink = webhooks.usual else { throw HTTPFailure.noWebhook }
        let now = request.now
        let event = WebhookEvent(
            type: "alert.fired",
            json: .object([
                "id": .string("evt_test-" + RandomHex.digits(16)), "type": "alert.fired",
                "timestamp": .string(Timestamp.text(milliseconds: now)), "actor": .string(request.actor), "message": "Webhook test",
                "metadata": .object(["alertType": "test", "message": .string(message.isEmpty ? "This is a test event" : message)]),
            ]))
        let answer = await webhooks.sender.post(
            WebhookEvent.body([event], at: now), to: sink.url, secret: sink.secret, at: now / 1000, headers: [("X-PayGate-Test", "1")])
        try await parts.store.note(
            request.audit("Webhook tested", ["statusCode": String(answer.status), "success": String(answer.isSuccess)]))
        var page: JSONObject = ["url": .string(sink.url.withoutCredentials), "success": .bool(answer.isSuccess)]
        if answer.status > 0 { page["statusCode"] = .int(Int64(answer.status)) }
        page["responseTime"] = .int(Int64(answer.milliseconds))
        if let error = answer.error { page["error"] = .string(error) }
        return EndpointResponse(json: .object(page))
    }
}

extension HTTPFailure {
    fileprivate static let noWebhook = badRequest("No webhook is configured. Set webhookUrl (--webhook-url), or make a filter for filters.")
}

extension Webhooks {
    /// What is put back of these letters: nothing of those whose sinks are gone.
    fileprivate func replays(_ letters: [(bytes: [UInt8], letter: WebhookLetter)]) async throws -> [WebhookReplay] {
        var (replays, known): ([WebhookReplay], [String: Bool]) = ([], [:])
        for (bytes, letter) in letters {
            if known[letter.sink] == nil { known[letter.sink] = try await sink(letter.sink) != nil }
            guard known[letter.sink] == true else { continue }
            if let replay = WebhookReplay(letter: bytes, events: letter.events.map { Array($0.utf8) }, to: letter.sink) {
                replays.append(replay)
            }
        }
        return replays
    }
}

/// The figures of deliveries, read at one moment.
private struct WebhookStatus: Sendable {
    let isConfigured: Bool
    let maxRetries: Int
    let pausedAt: Int?
    let figures: [String: Int]
    let letters: Int
    let filters: [WebhookFilter]
    let urls: Set<String>
    let sinks: [(label: String, name: String)]

    static let words = ["healthy", "retrying", "degraded", "paused", "not_configured"]

    init(_ webhooks: Webhooks) async throws {
        isConfigured = try await webhooks.isConfigured()
        maxRetries = webhooks.settings.webhookMaxRetries
        pausedAt = try await webhooks.pausedAt()
        figures = try await webhooks.queue.figures()
        letters = try await webhooks.queue.letterCount()
        filters = try await webhooks.allFilters()
        let own = filters.compactMap { filter in WebhookSink(filter).map { (sink: $0, id: filter.id) } }
        let usual = webhooks.usual
        urls = Set(own.map(\.sink.url.text) + [usual?.url.text].compactMap(\.self))
        let labels = own.map { $0.sink.url.masked }
        sinks =
            (usual == nil ? [] : [("default", WebhookSink.usual)])
            + own.enumerated().map { place, own in
                (labels.count { $0 == labels[place] } == 1 ? labels[place] : "\(labels[place]) \(own.id)", own.id)
            }
    }

    func count(_ name: String) -> Int { max(0, figures[name] ?? 0) }

    var word: String {
        if !isConfigured { return "not_configured" }
        if pausedAt != nil { return "paused" }
        return letters > 0 ? "degraded" : count("retrying") > 0 ? "retrying" : "healthy"
    }

    /// Percent, 100 without attempts.
    var successRate: Double {
        let (delivered, failed) = (count("delivered"), count("failed"))
        return delivered + failed == 0 ? 100 : (Double(delivered) * 10_000 / Double(delivered + failed)).rounded() / 100
    }

    private static let figures: [View<WebhookStatus>.Member] = [
        .integer("totalDelivered") { $0.count("delivered") }, .integer("totalFailed") { $0.count("failed") },
        .integer("totalRetries") { $0.count("retries") }, .integer("pendingRetries") { $0.count("retrying") },
        .integer("deadLetterCount", \.letters), .integer("bufferedEvents") { $0.count("waiting") }, .flag("paused") { $0.pausedAt != nil },
        .time("pausedAt", \.pausedAt),
    ]

    static let delivery = View<WebhookStatus>(figures + [.of("successRate", .number) { JSONValue.double($0.successRate) }])

    static let stats = View<WebhookStatus>(
        [.flag("configured", \.isConfigured), .integer("maxRetries", \.maxRetries)] + figures
            + [
                .integer("droppedEvents") { $0.count("dropped") }.described("Events that a full queue did not take."),
                .integer("forgottenDeadLetters") { $0.count("forgotten") },
                .object("filters", filters, \.self),
                .text("message") { $0.isConfigured ? nil : "No webhook is configured" }.maybe,
            ])

    private static let filters = View<WebhookStatus>([
        .integer("emitterCount", \.urls.count), .integer("filterCount", \.filters.count),
        .of("perUrl", .map(of: sink.schema)) { status in
            Dictionary(
                status.sinks.map { ($0.label, sink.json((status, $0.name))) }, uniquingKeysWith: { first, _ in first })
        },
    ])

    private static let sink = View<(WebhookStatus, String)>([
        .integer("totalDelivered") { $0.0.count("delivered:" + $0.1) }, .integer("totalFailed") { $0.0.count("failed:" + $0.1) },
        .integer("totalRetries") { $0.0.count("retries:" + $0.1) }, .integer("droppedEvents") { $0.0.count("dropped:" + $0.1) },
    ])
}

/// An attempt with its number.
private struct LoggedAttempt: Sendable {
    let number: Int
    let attempt: WebhookAttempt

    static let view = View<LoggedAttempt>([
        .integer("id", \.number), .time("timestamp", \.attempt.time), .text("url", \.attempt.url),
        .integer("statusCode", \.attempt.answer.status).described("0 without an answer."), .flag("success", \.attempt.answer.isSuccess),
        .integer("responseTime", \.attempt.answer.milliseconds), .integer("attempt", \.attempt.attempt),
        .text("error", \.attempt.answer.error).maybe, .integer("eventCount", \.attempt.count), .texts("eventTypes", \.attempt.types),
    ])
}

extension WebhookLetter {
    fileprivate static let view = View<WebhookLetter>([
        .of("events", .list(of: .object)) { letter in
            letter.events.map { WebhookEvent(packed: Array($0.utf8))?.json ?? .object([:]) }
        },
        .integer("attempts", \.attempts), .text("lastError", \.lastError), .time("firstAttempt", \.firstAttempt),
        .time("lastAttempt", \.lastAttempt), .text("url", \.url),
    ])
}

extension Field where Value == Int {
    fileprivate static let attemptLimit = Field("limit", .integer(1...200, excess: .clamped), "How many are shown.").default(50)
}

extension Field where Value == Int? {
    fileprivate static let attemptsSince = Field<Int>("since", .time, "Made at this time or later.").optional
}

extension Field where Value == Bool? {
    fileprivate static let attemptSuccess = Field<Bool>("success", .flag, "Only those that succeeded, or only those that did not.").optional
}

extension Field where Value == [Int]? {
    fileprivate static let letterIndices = Field<[Int]>(
        "indices", .places,
        "Places in the list, from 0 on; all of them without it, or where it is empty. A number that is no place is passed over."
    ).optional
}

extension ValueKind where Value == [Int] {
    /// Whole numbers, also such as are no place.
    fileprivate static let places = bounded(
        list(of: ValueKind<Int>.integer(-Credits.balanceCeiling...Credits.balanceCeiling), upTo: WebhookQueue.deadLetters, rule: placeRule),
        0...WebhookQueue.deadLetters,
        placeRule)
    private static let placeRule = "Must be a list of at most \(WebhookQueue.deadLetters) whole numbers."
}

extension Field where Value == String? {
    fileprivate static let testMessage = Field<String>("message", .text(upTo: 500, rest: .cut), "What the test event says.").optional
}
