// /keys/webhook: where the events of one key go besides (F-WH-15).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let setKeyWebhook = Endpoint(
        .post, "/keys/webhook", "Send the events of a key to a sink of its own, too.", for: .atLeast(.admin),
        body: [Field.webhookKey, Field.otherWebhookKey, Field.keyWebhookURL, Field.keyWebhookSecret],
        answer: ["ok": .boolean, "keyName": .string, "webhookUrl": .string, "webhookSecret": .string.nullable],
        failures: [.notFound], audits: ["key.webhook_updated"], using: WebhookFilterParts.init
    ) { request, parts in
        let (given, secret) = (try request[.keyWebhookURL], try request[.keyWebhookSecret].flatMap { $0.isEmpty ? nil : $0 })
        let key = try await request.webhookKey(in: parts.keys)
        guard key.state != .revoked else { throw HTTPFailure.unknownKey }
        let url = try await parts.webhooks.accepted(given, as: "webhookUrl", for: .key)
        let hook = KeyWebhook(of: key.id, url: url, secret: secret, createdAt: request.now)
        let operation = Operation(audit: request.audit("Webhook set", of: key, ["webhookUrl": given.masked]))
        try await parts.webhooks.set(hook, operation)
        return [
            "ok": true, "keyName": key.name, "webhookUrl": given.withoutCredentials, "webhookSecret": secret == nil ? String?.none : "***",
        ]
    }

    static let readKeyWebhook = Endpoint(
        .get, "/keys/webhook", "Read where the events of a key go besides.", for: .atLeast(.viewer),
        query: [Field.webhookKey, Field.otherWebhookKey],
        answer: [
            "keyName": .string, "webhookUrl": .string.nullable, "webhookSecret": .string.nullable, "configured": .boolean,
        ],
        failures: [.notFound], using: WebhookFilterParts.init
    ) { request, parts in
        let key = try await request.webhookKey(in: parts.keys)
        let hook = try await parts.webhooks.keyHooks.read(KeyWebhook.id(of: key.id))
        return [
            "keyName": key.name, "webhookUrl": hook.flatMap { WebhookURL($0.url)?.withoutCredentials },
            "webhookSecret": hook?.secret == nil ? String?.none : "***", "configured": hook != nil,
        ]
    }

    static let deleteKeyWebhook = Endpoint(
        .delete, "/keys/webhook", "Send the events of a key to no sink of its own any more.", for: .atLeast(.admin),
        query: [Field.webhookKey, Field.otherWebhookKey],
        answer: View<(Bool, String, String?)>([.flag("ok", \.0), .text("keyName", \.1), .text("webhookUrl", \.2)]),
        failures: [.notFound], audits: ["key.webhook_updated"], using: WebhookFilterParts.init
    ) { request, parts in
        let key = try await request.webhookKey(in: parts.keys)
        let id = KeyWebhook.id(of: key.id)
        do {
            try await parts.webhooks.keyHooks.delete(id, Operation(audit: request.audit("Webhook removed", of: key)))
        } catch RecordRefusal.missing {
            // As it shall be.
        }
        try await parts.webhooks.drop(id)
        return (true, key.name, String?.none)
    }
}

extension EndpointRequest {
    /// The key that a request is about, by the name that the field has here or the one that it has everywhere else. One that is revoked
    /// still has a webhook that can be seen and removed.
    fileprivate func webhookKey(in keys: KeyDirectory) async throws -> KeyRecord {
        guard let reference = try self[.webhookKey] ?? self[.otherWebhookKey] else { throw HTTPFailure.badRequest("Missing apiKey") }
        guard let key = try await keys.find(reference) else { throw HTTPFailure.unknownKey }
        return key
    }
}

extension Webhooks {
    /// Puts the webhook of a key into the place of the one that there is.
    /// - Throws: `contended` or `store`.
    fileprivate func set(_ hook: KeyWebhook, _ operation: Operation) async throws(RecordRefusal) {
        for _ in 0..<4 {
            do {
                _ = try await keyHooks.edit(hook.id, operation) { (found) throws(RecordRefusal) in
                    (found.url, found.secret) = (hook.url, hook.secret)
                }
                return
            } catch {
                guard error == .missing else { throw error }
            }
            do { return try await keyHooks.create(hook, operation) } catch {
                // Somebody else has made it meanwhile.
                guard error == .contended else { throw error }
            }
        }
        throw .contended
    }
}

extension Field where Value == String? {
    fileprivate static let webhookKey = Field<String>("apiKey", .keyReference, "The key, its id or its alias.").optional
    fileprivate static let otherWebhookKey = Field<String>("key", .keyReference, "Another name of apiKey.").optional
    fileprivate static let keyWebhookSecret = Field<String>("webhookSecret", .webhookSecret, "What events are signed with.").optional
}

extension Field where Value == WebhookURL {
    fileprivate static let keyWebhookURL = Field("webhookUrl", .webhookURL, "Where they go, http or https.")
}
