// What a request gives for the fields of its endpoint, checked as a whole before anything is done.

import HTTPTypes
import Hummingbird
import MCPWire

/// The values of the declared fields by name; what is not declared is not here.
struct EndpointInputs: Sendable {
    private var values: [String: JSONValue] = [:]

    /// - Throws: 400, 413 or 415 if the request is not acceptable.
    init(of request: Request, for endpoint: Endpoint) async throws {
        let parameters = request.uri.queryParameters
        let body = endpoint.takesBody ? try await JSONBody.object(of: request) : [:]
        try self.init(
            for: endpoint, query: { parameters[Substring($0)].map(String.init) },
            header: { HTTPField.Name($0).flatMap { request.headers[$0] } }, body: body)
    }

    init(
        for endpoint: Endpoint, query: (String) -> String? = { _ in nil }, header: (String) -> String? = { _ in nil }, body: JSONObject = [:]
    ) throws(HTTPFailure) {
        for field in endpoint.query { values[field.name] = query(field.name).map(field.given) }
        for field in endpoint.headers { values[field.name] = header(field.name).map(field.given) }
        for field in endpoint.body { values[field.name] = body[field.name] }
        for field in endpoint.fields { try field.check(values[field.name]) }
    }

    subscript(name: String) -> JSONValue? { values[name] }
}
