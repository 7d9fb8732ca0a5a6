// Maintenance: one switch of the whole cluster that closes /mcp and nothing else (F-GATE-02).

import ClusterState
import GateDomain
import MCPWire

/// How maintenance lies in Redis, and how a node hears of it.
package enum Maintenance {
    static let usualMessage = "Server is under maintenance"

    /// Reads the switch and sets this node's own by it; without a store the node stays as it was.
    ///
    /// To be called at the start, on the feed's word and on `.everything`, and every 2 s (V22).
    package static func load(_ node: Node) async {
        let fields: [String: String]
        do { fields = try await records(node).read(name)?.values ?? [:] } catch { return }
        let isOn = fields["enabled"] == "1"
        node.switches.maintenance =
            isOn
            ? Switches.Maintenance(message: fields["message"] ?? usualMessage, since: fields["since"].flatMap { Int($0) } ?? 0) : nil
    }

    /// Closes or opens `/mcp` on every node; what was never closed is not opened, so nothing is audited then.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    static func set(_ isOn: Bool, message: String, now: Int, audit: AuditEntry, on node: Node) async throws {
        let (records, operation, enabled) = (records(node), Operation(audit: audit), isOn ? "1" : "0")
        if let found = try await records.read(name) {
            if found.values["enabled"] == enabled, !isOn || found.values["message"] == message { return await load(node) }
            _ = try await records.edit(name, operation) { $0.turn(enabled, message: message, at: now) }
        } else if isOn {
            var record = SwitchRecord(id: name, values: [:])
            record.turn(enabled, message: message, at: now)
            try await records.create(record, operation)
        }
        await load(node)
    }

    static let name = "maintenance"

    private static func records(_ node: Node) -> RecordStore<SwitchRecord> {
        RecordStore(store: node.store, origin: node.id)
    }
}

extension SwitchRecord {
    /// `since` moves only when the gate is closed or opened.
    fileprivate mutating func turn(_ enabled: String, message: String, at now: Int) {
        if values["enabled"] != enabled { values["since"] = String(now) }
        values["enabled"] = enabled
        values["message"] = message
    }
}

extension Switches.Maintenance? {
    /// The answer of both endpoints.
    var page: EndpointResponse {
        guard let self else { return ["enabled": false, "since": String?.none] }
        return ["enabled": true, "message": self.message, "since": Timestamp.text(milliseconds: self.since)]
    }
}

extension Schema {
    static let maintenance: Schema = ["enabled": .boolean, "message": .string.maybe, "since": .time.nullable]
}
