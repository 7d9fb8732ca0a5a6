// An event as sinks get it, and as it waits in a queue.

import ClusterState
import GateDomain
import GateValues
import MCPWire

/// JSON with its type: `usage` for calls, else the type of an audit event.
struct WebhookEvent: Sendable {
    static let usage = "usage"
    /// What filters may name besides the types that endpoints declare: all, calls, and what the gate does by itself.
    static let ofTheGate: Set = [
        "*", usage, "admin.auth_failed", "key.auto_topped_up", "key.expired", "key.expiry_warning", "key.task_refunded",
        "schedule.executed", "credit.transfer", "credit.auto_topup",
    ]

    /// A key that an event is about: its id, and its first 10 characters.
    struct Subject: Sendable {
        let id: String
        let prefix: String
    }

    let type: String
    let json: JSONValue
    /// The keys that it is about: none, one, or the two of a transfer.
    var keys: [Subject] = []

    /// - Parameter labels: what its keys are called today, by their ids.
    init(_ occurrence: WebhookOccurrence, labels: [String: KeyLabel]) {
        // Without the dots behind it, which a short key has among its first ten.
        keys = occurrence.keyIDs.map { Subject(id: $0, prefix: String((labels[$0]?.prefix ?? "").dropLast(3))) }
        let label = occurrence.keyIDs.first.flatMap { labels[$0] } ?? KeyLabel()
        let time = Timestamp.text(milliseconds: occurrence.time)
        switch occurrence.kind {
        case .call(let event, let credits):
            type = Self.usage
            json = Self.usage(occurrence.id, time, event, credits, label)
        case .correction(let event, let credits, let told):
            type = Self.usage
            var usage = Self.usage(occurrence.id, time, event, -credits, label).objectValue ?? [:]
            usage["corrects"] = .string(told)
            json = .object(usage)
        case .change(let entry):
            type = entry.type
            let metadata = JSONObject(entry.metadata.map { ($0.0, Self.value($0.1, of: $0.0)) })
            json = .object([
                "id": .string(occurrence.id), "type": .string(entry.type), "timestamp": .string(time), "actor": .string(entry.actor),
                "message": .string(entry.message), "metadata": .object(metadata),
            ])
        }
    }

    /// An event of the gate's own making, for a test.
    init(type: String, json: JSONValue) {
        (self.type, self.json) = (type, json)
    }

    private static func usage(_ id: String, _ time: String, _ event: CallEvent, _ credits: Int, _ label: KeyLabel) -> JSONValue {
        .object([
            "id": .string(id), "timestamp": .string(time), "apiKey": .string(String(label.prefix.dropLast(3))),
            "keyName": .string(label.name), "keyId": .string(event.keyID), "tool": .string(event.tool),
            "creditsCharged": .int(Int64(credits)), "allowed": .bool(event.outcome != .denied),
            "denyReason": event.outcome == .denied ? .string(event.reason) : .null, "outcome": .string(event.outcome.rawValue),
            "namespace": .string(label.namespace), "durationMs": .int(Int64(event.milliseconds)), "requestId": .string(event.requestID),
        ])
    }

    /// Amounts are numbers, as they are documented (F-WH-07); all else is text.
    private static func value(_ text: String, of name: String) -> JSONValue {
        guard amounts.contains(name), let number = Int64(text) else { return .string(text) }
        return .int(number)
    }

    private static let amounts: Set = [
        "credits", "creditsAdded", "newBalance", "amount", "threshold", "balance", "spendingLimit", "fromBalance", "toBalance", "maxDaily",
        "ttlSeconds", "remainingSeconds",
    ]

    // MARK: In a queue

    /// Its type, a line feed, its JSON.
    var packed: [UInt8] { Array(type.utf8) + [0x0a] + json.bytes }

    /// Nil for bytes that `packed` has not made.
    init?(packed: [UInt8]) {
        guard let end = packed.firstIndex(of: 0x0a), let json = try? JSONValue.parse(String(decoding: packed[(end + 1)...], as: UTF8.self))
        else { return nil }
        self.init(type: String(decoding: packed[..<end], as: UTF8.self), json: json)
    }

    /// What the holder of one key is told of it: of a transfer not the balance of the other key.
    /// - Parameter sink: the name of the key's webhook.
    func told(to sink: String) -> WebhookEvent {
        guard var metadata = json["metadata"]?.objectValue, var event = json.objectValue else { return self }
        for (balance, key) in [("fromBalance", "fromId"), ("toBalance", "toId")] where metadata[balance] != nil {
            if metadata[key]?.stringValue.map(KeyWebhook.id(of:)) != sink { metadata[balance] = nil }
        }
        event["metadata"] = .object(metadata)
        return WebhookEvent(type: type, json: .object(event))
    }

    /// The usual name of a type that filters may name otherwise too (F-WH-09).
    static func usualType(_ type: String) -> String {
        switch type {
        case "credit.transfer": "key.credits_transferred"
        case "credit.auto_topup": "key.auto_topped_up"
        default: type
        }
    }

    /// What is posted: usage events and admin events apart (F-WH-02).
    /// - Parameter now: milliseconds since 1970.
    static func body(_ events: [WebhookEvent], at now: Int) -> [UInt8] {
        JSONValue.object([
            "events": .array(events.filter { $0.type == usage }.map(\.json)),
            "adminEvents": .array(events.filter { $0.type != usage }.map(\.json)),
            "sentAt": .string(Timestamp.text(milliseconds: now)),
        ]).bytes
    }
}
