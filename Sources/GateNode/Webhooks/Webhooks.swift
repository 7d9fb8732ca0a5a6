// What a node knows of webhooks: the sinks that there are, and whether they are paused.

import ClusterState
import GateDomain
import GateSettings
import GateValues

/// The parts behind the routes and the delivery of webhooks.
struct Webhooks: Sendable {
    let queue: WebhookQueue
    let filters: RecordStore<WebhookFilter>
    let keyHooks: RecordStore<KeyWebhook>
    let sender: WebhookSender
    /// What this node has counted.
    let tally = WebhookTally()
    let clock: RedisClock
    /// Filters of the configuration, which no route changes.
    let configured: [WebhookFilter]
    private let ruleBook: RuleBook
    private let reload: RulesReload
    private let switches: RecordStore<SwitchRecord>

    init(_ settings: Settings, store: RedisStore, origin: String, clock: RedisClock, ruleBook: RuleBook, reload: RulesReload) {
        queue = WebhookQueue(store: store)
        filters = RecordStore(store: store, origin: origin)
        keyHooks = RecordStore(store: store, origin: origin)
        switches = RecordStore(store: store, origin: origin)
        sender = WebhookSender(rule: settings.webhookAddressRule)
        configured = WebhookFilter.filters(settings.webhookFilters)
        (self.clock, self.ruleBook, self.reload) = (clock, ruleBook, reload)
    }

    var settings: Settings { ruleBook.settings }

    /// The configured sink; nil where none is.
    var usual: WebhookSink? {
        settings.webhookUrl.map { WebhookSink(name: WebhookSink.usual, url: $0, secret: settings.webhookSecret) }
    }

    /// The filters of the configuration, then those that operators have made, the oldest first.
    /// - Throws: `store`.
    func allFilters() async throws(RecordRefusal) -> [WebhookFilter] {
        configured + (try await filters.read(filters.ids(.ascending, count: WebhookFilter.capacity * 2)))
    }

    /// The sinks that are not of one key, with rules that were reloaded elsewhere a moment ago.
    /// - Throws: `store`.
    func gateSinks() async throws(RecordRefusal) -> [WebhookSink] {
        await reload.follow()
        return [usual].compactMap(\.self) + (try await allFilters()).filter(\.isActive).compactMap { WebhookSink($0) }
    }

    /// The sink of a name; nil if it is there no more, or is a filter that has been switched off.
    /// - Throws: `store`.
    func sink(_ name: String) async throws(RecordRefusal) -> WebhookSink? {
        if name == WebhookSink.usual { return usual }
        if name.hasPrefix(KeyWebhook.prefix) { return try await keyHooks.read(name).flatMap { WebhookSink($0) } }
        if let filter = configured.first(where: { $0.id == name }) { return filter.isActive ? WebhookSink(filter) : nil }
        return try await filters.read(name).flatMap { $0.isActive ? WebhookSink($0) : nil }
    }

    /// Whether anybody hears of anything at this moment.
    /// - Throws: `store`.
    func hasSinks() async throws(RecordRefusal) -> Bool {
        if try await !gateSinks().isEmpty { return true }
        return try await keyHooks.count() > 0
    }

    /// Whether anybody has been named who might hear of something.
    /// - Throws: `store`.
    func isConfigured() async throws(RecordRefusal) -> Bool {
        if usual != nil || !configured.isEmpty { return true }
        if try await filters.count() > 0 { return true }
        return try await keyHooks.count() > 0
    }

    /// What waits for a sink that is there no more is dropped. - Returns: events.
    /// - Throws: `StoreFailure`.
    @discardableResult
    func drop(_ name: String) async throws -> Int {
        let dropped = try await queue.drop(name)
        tally.add(dropped, .dropped)
        return dropped
    }

    // MARK: Pausing

    private static let name = "webhooks"

    /// Milliseconds since 1970 at which deliveries were paused; nil while they go on (F-WH-12).
    /// - Throws: `store`.
    func pausedAt() async throws(RecordRefusal) -> Int? {
        guard let values = try await switches.read(Self.name)?.values, values["paused"] == "1" else { return nil }
        return values["at"].flatMap { Int($0) } ?? 0
    }

    /// Stops the deliveries of every node and sink, or lets them go on. - Returns: false if it was so before.
    /// - Throws: `contended` or `store`.
    func pause(_ isPaused: Bool, now: Int, audit: AuditEntry) async throws(RecordRefusal) -> Bool {
        if try await (pausedAt() != nil) == isPaused { return false }
        let values = ["paused": isPaused ? "1" : "0", "at": String(now)]
        do {
            _ = try await switches.edit(Self.name, Operation(audit: audit)) { (record) throws(RecordRefusal) in record.values = values }
        } catch RecordRefusal.missing {
            try await switches.create(SwitchRecord(id: Self.name, values: values), Operation(audit: audit))
        }
        return true
    }
}

extension WebhookFilter {
    /// Those of the configuration: the id of each follows from what it says, so that every node has the same. Of several that say the same
    /// but for what is not part of the id, as their secrets, the place among these is part of it.
    static func filters(_ all: [WebhookFilterSettings]) -> [WebhookFilter] {
        var counts: [String: Int] = [:]
        return all.compactMap { settings in
            guard let url = settings.url else { return nil }
            let text = ([settings.name, url.text] + settings.events + settings.keyPrefixes).joined(separator: "\n")
            let before = counts[text, default: 0]
            counts[text] = before + 1
            let id = prefix + Credential.digest(of: before == 0 ? text : "\(text)\n\n\(before)").prefix(16)
            return WebhookFilter(
                id: id, name: settings.name.isEmpty ? "Filter \(id)" : settings.name, events: settings.events, url: url.text,
                secret: settings.secret, keyPrefixes: settings.keyPrefixes, isActive: settings.isActive, createdAt: 0)
        }
    }
}
