// GET /maintenance: whether the gate is closed.

import HTTPTypes

extension Endpoint {
    static let readMaintenance = Endpoint(
        .get, "/maintenance", "Read the maintenance mode.", for: .atLeast(.viewer), answer: .maintenance
    ) { _, node in
        await Maintenance.load(node)
        return node.switches.maintenance.page
    }
}
