// Maintenance: one switch of the whole cluster that closes /mcp and nothing else (F-GATE-02).

import ClusterState
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
        node.switches.maintenance = isOn
            ? Switches.Maintenance(message: fields["message"] ?? usualMessage, since: fields["since"].flatMap { Int($0) } ?? 0) : nil
    }

    /// Closes or opens `/mcp` on every node; what was never closed is not opened, so nothing is audited then.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    static func set(_ isOn: Bool, message: String, now: Int, audit: AuditEntry, on node: Node) async throws {
        let (records, operation, enabled) = (records(node), Operation(audit: audit), isOn ? "1" : "0")
        let found = try await records.read(name)
        if found.map({ $0.values["enabled"] == enabled && (!isOn || $0.values["message"] == message) }) ?? !isOn { return await load(node) }
        if found == nil {
            let values = ["enabled": enabled, "message": message, "since": String(now)]
            try await records.create(SwitchRecord(id: name, values: values), operation)
        } else {
            _ = try await records.edit(name, operation) { (record) throws(RecordRefusal) in
                if record.values["enabled"] != enabled { record.values["since"] = String(now) }
                record.values["enabled"] = enabled
                record.values["message"] = message
            }
        }
        await load(node)
    }

    static let name = "maintenance"

    private static func records(_ node: Node) -> RecordStore<SwitchRecord> {
        RecordStore(store: node.store, origin: node.id)
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
