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
        for field in endpoint.query { values[field.name] = parameters[Substring(field.name)].map { field.given(String($0)) } }
        for field in endpoint.headers {
            values[field.name] = HTTPField.Name(field.name).flatMap { request.headers[$0] }.map(field.given)
        }
        if endpoint.takesBody {
            let body = try await JSONBody.object(of: request)
            for field in endpoint.body { values[field.name] = body[field.name] }
        }
        for field in endpoint.fields { try field.check(values[field.name]) }
    }

    subscript(name: String) -> JSONValue? { values[name] }
}
