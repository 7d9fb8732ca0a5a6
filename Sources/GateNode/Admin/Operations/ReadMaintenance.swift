// GET /maintenance: whether the gate is closed.

import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readMaintenance = Endpoint(
        .get, "/maintenance", "Read the maintenance mode.", for: .atLeast(.viewer), answer: .maintenance, using: \.maintenance
    ) { _, maintenance in
        await maintenance.load()
        return maintenance.current.page
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
