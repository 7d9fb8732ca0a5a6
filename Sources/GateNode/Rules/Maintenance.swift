// Maintenance: one switch of the whole cluster that closes /mcp and nothing else (F-GATE-02).

import ClusterState

/// How maintenance lies in Redis, and how a node hears of it.
struct Maintenance: Sendable {
    private let records: RecordStore<SwitchRecord>
    private let switches: Switches

    /// - Parameter origin: the node that changes it.
    init(store: RedisStore, origin: String, switches: Switches) {
        records = RecordStore(store: store, origin: origin)
        self.switches = switches
    }

    /// What `/mcp` says while it is closed; nil while it is open. As last read.
    var current: Switches.Maintenance? { switches.maintenance }

    static let usualMessage = "Server is under maintenance"

    /// Reads the switch and sets this node's own by it; without a store the node stays as it was.
    ///
    /// To be called at the start, on the feed's word and on `.everything`, and every 2 s (V22).
    func load() async {
        let fields: [String: String]
        do { fields = try await records.read(Self.name)?.values ?? [:] } catch { return }
        let isOn = fields["enabled"] == "1"
        switches.maintenance =
            isOn
            ? Switches.Maintenance(message: fields["message"] ?? Self.usualMessage, since: fields["since"].flatMap { Int($0) } ?? 0) : nil
    }

    /// Closes or opens `/mcp` on every node; what was never closed is not opened, so nothing is audited then.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func set(_ isOn: Bool, message: String, now: Int, audit: AuditEntry) async throws {
        let (operation, enabled) = (Operation(audit: audit), isOn ? "1" : "0")
        if let found = try await records.read(Self.name) {
            if found.values["enabled"] == enabled, !isOn || found.values["message"] == message { return await load() }
            _ = try await records.edit(Self.name, operation) { $0.turn(enabled, message: message, at: now) }
        } else if isOn {
            var record = SwitchRecord(id: Self.name, values: [:])
            record.turn(enabled, message: message, at: now)
            try await records.create(record, operation)
        }
        await load()
    }

    static let name = "maintenance"
}

extension SwitchRecord {
    /// `since` moves only when the gate is closed or opened.
    fileprivate mutating func turn(_ enabled: String, message: String, at now: Int) {
        if values["enabled"] != enabled { values["since"] = String(now) }
        values["enabled"] = enabled
        values["message"] = message
    }
}
