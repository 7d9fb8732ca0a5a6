// GET /openapi.json.

import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let openAPI = Endpoint(
        .get, "/openapi.json", "This document.", for: .anyone,
        answer: ["openapi": .string, "info": .object, "tags": .list(of: .object), "paths": .object, "components": .object]
    ) { request in
        EndpointResponse(json: request.table.document).cacheable
    }
}
