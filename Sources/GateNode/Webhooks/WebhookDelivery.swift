// One attempt to deliver, told: in the delivery log, and as a dead letter when it was the last.

import ClusterState
import GateDomain
import GateSettings
import GateValues
import MCPWire

extension WebhookBatch {
    var contents: [WebhookEvent] { events.compactMap { WebhookEvent(packed: $0) } }
}

/// An entry of the delivery log (F-WH-13).
struct WebhookAttempt: Sendable {
    /// Milliseconds since 1970.
    let time: Int
    let url: String
    let answer: WebhookAnswer
    /// From 1 on.
    let attempt: Int
    let count: Int
    let types: [String]

    var packed: [UInt8] {
        JSONValue.object([
            "at": .int(Int64(time)), "url": .string(url), "status": .int(Int64(answer.status)), "ms": .int(Int64(answer.milliseconds)),
            "attempt": .int(Int64(attempt)), "error": answer.error.map(JSONValue.string) ?? .null,
            "count": .int(Int64(count)), "types": .array(types.map(JSONValue.string)),
        ]).bytes
    }
}

extension WebhookAttempt {
    /// Nil for bytes that `packed` has not made.
    init?(packed: [UInt8]) {
        guard let json = try? JSONValue.parse(String(decoding: packed, as: UTF8.self)), let time = json["at"]?.intValue,
            let url = json["url"]?.stringValue, let status = json["status"]?.intValue
        else { return nil }
        self.init(
            time: Int(time), url: url,
            answer: WebhookAnswer(
                status: Int(status), error: json["error"]?.stringValue, milliseconds: Int(json["ms"]?.intValue ?? 0)),
            attempt: Int(json["attempt"]?.intValue ?? 1), count: Int(json["count"]?.intValue ?? 0),
            types: json["types"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    }
}

/// A batch that nobody has taken (F-WH-06).
struct WebhookLetter: Sendable {
    let sink: String
    let url: String
    let attempts: Int
    let lastError: String
    /// Milliseconds since 1970.
    let firstAttempt: Int
    /// Milliseconds since 1970.
    let lastAttempt: Int
    /// As they lay in the queue.
    let events: [String]
    /// No two letters are the same.
    let turn: Int

    var packed: [UInt8] {
        JSONValue.object([
            "sink": .string(sink), "url": .string(url), "attempts": .int(Int64(attempts)), "error": .string(lastError),
            "first": .int(Int64(firstAttempt)), "last": .int(Int64(lastAttempt)), "events": .array(events.map(JSONValue.string)),
            "turn": .int(Int64(turn)),
        ]).bytes
    }
}

extension WebhookLetter {
    /// Nil for bytes that `packed` has not made.
    init?(packed: [UInt8]) {
        guard let json = try? JSONValue.parse(String(decoding: packed, as: UTF8.self)), let sink = json["sink"]?.stringValue,
            let events = json["events"]?.arrayValue?.compactMap(\.stringValue)
        else { return nil }
        let number = { (name: String) in Int(json[name]?.intValue ?? 0) }
        self.init(
            sink: sink, url: json["url"]?.stringValue ?? "", attempts: number("attempts"), lastError: json["error"]?.stringValue ?? "",
            firstAttempt: number("first"), lastAttempt: number("last"), events: events, turn: number("turn"))
    }
}

extension Webhooks {
    /// Sends a batch and notes what came of it.
    /// - Returns: milliseconds until the sink is due again; nil if nothing waits for it, it has failed, or the attempt was cut short.
    /// - Throws: `StoreFailure`.
    func deliver(_ batch: WebhookBatch, to sink: WebhookSink) async throws -> Int? {
        let (start, settings) = (clock.milliseconds, settings)
        let contents = sink.kind == .key ? batch.contents.map { $0.told(to: sink.name) } : batch.contents
        let headers = batch.attempts > 0 ? [("X-PayGate-Retry", String(batch.attempts))] : []
        let answer = await sender.post(
            WebhookEvent.body(contents, at: start), to: sink.url, of: sink.kind, secret: sink.secret, at: start / 1000, headers: headers)
        // Whoever goes on sends it again.
        if Task.isCancelled { return nil }
        let types = contents.reduce(into: [String]()) { types, event in if !types.contains(event.type) { types.append(event.type) } }
        let attempt = WebhookAttempt(
            time: start, url: sink.url.withoutCredentials, answer: answer, attempt: batch.attempts + 1, count: contents.count,
            types: types)
        let first = batch.firstAttempt > 0 ? batch.firstAttempt : start
        let verdict: WebhookVerdict
        if answer.isSuccess {
            verdict = .done
        } else if batch.attempts < settings.webhookMaxRetries {
            verdict = .retry(Self.wait(after: batch.attempts))
        } else {
            verdict = .dead(
                WebhookLetter(
                    sink: sink.name, url: sink.url.withoutCredentials, attempts: batch.attempts + 1, lastError: answer.error ?? "",
                    firstAttempt: first, lastAttempt: start, events: batch.events.map { String(decoding: $0, as: UTF8.self) },
                    turn: batch.turn
                ).packed)
        }
        let wait = try await queue.end(
            batch, of: sink.name, as: verdict, firstAttempt: first, entry: attempt.packed, flush: settings.webhookFlushMs)
        switch verdict {
        case .done: tally.add(contents.count, .delivered)
        case .dead: tally.add(contents.count, .failed)
        case .retry: break
        }
        return answer.isSuccess ? wait : nil
    }

    /// 1, 2, 4, 8, 16 seconds, and 16 from then on, with up to a quarter more by chance, so that sinks that failed together are not all
    /// asked at once (F-WH-05). - Returns: milliseconds.
    static func wait(after attempts: Int) -> Int {
        let base = 1000 << min(attempts, 4)
        return base + Int.random(in: 0...base / 4)
    }
}
