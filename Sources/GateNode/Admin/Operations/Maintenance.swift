// Maintenance: one switch of the whole cluster that closes /mcp and nothing else (F-GATE-02).

import ClusterState
import GateDomain
import MCPWire

/// How maintenance lies in Redis, and how a node hears of it.
package enum Maintenance {
    static let usualMessage = "Server is under maintenance"

    /// Reads the switch and sets this node's own by it; without a store the node stays as it was.
    ///
    /// To be called at the start, on the feed's `.setting("maintenance")` and `.everything`, and every 2 s (V22).
    package static func load(_ node: Node) async {
        guard let fields = try? await declared(node).read() else { return }
        let isOn = fields["enabled"] == "1"
        node.switches.maintenance = isOn
            ? Switches.Maintenance(message: fields["message"] ?? usualMessage, since: fields["since"].flatMap { Int($0) } ?? 0) : nil
    }

    /// Closes or opens `/mcp` on every node; what was never closed is not opened, so nothing is audited then.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    static func set(_ isOn: Bool, message: String, now: Int, audit: AuditEntry, on node: Node) async throws {
        let declared = declared(node)
        if !isOn, try await declared.read().isEmpty { return }
        let fields = [("enabled", isOn ? "1" : "0"), ("message", message), ("since", String(now))]
        try await declared.set(fields, decisive: "enabled", audit: audit)
        await load(node)
    }

    private static func declared(_ node: Node) -> ClusterSwitch {
        ClusterSwitch("maintenance", at: node.store.keys.maintenance, store: node.store, origin: node.id)
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
