// GET /openapi.json.

import HTTPTypes
import MCPWire

extension Endpoint {
    static let openAPI = Endpoint(
        .get, "/openapi.json", "This document.", for: .anyone,
        answer: ["openapi": .string, "info": .object, "tags": .list(of: .object), "paths": .object, "components": .object]
    ) { _, _ in
        EndpointResponse(json: OpenAPIDocument.json).cacheable
    }
}
