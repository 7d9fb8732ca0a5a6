// A switch of the whole cluster: a record that one script changes and announces.

import GateDomain

/// Fields that every node reads, e.g. those of maintenance; the feed tells of each change by the switch's name.
package struct SwitchRecord: StoredRecord {
    package static let kind = "switches"
    package static let topic = Topic.switch

    /// The switch's name.
    package let id: String
    /// What the switch says, by names of its own.
    package var values: [String: String]
    package let version: Int

    package init(id: String, values: [String: String]) {
        self.id = id
        self.values = values
        version = 0
    }

    package init?(id: String, fields: [String: String]) {
        guard let version = fields["version"].flatMap({ Int($0) }) else { return nil }
        self.id = id
        self.version = version
        values = fields.filter { $0.key != "version" }
    }

    package var fields: [String: String] { values }
    package var createdAt: Int { 0 }
}
