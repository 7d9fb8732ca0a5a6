// What a request gives for the fields of its endpoint, checked as a whole before anything is done.

import HTTPTypes
import Hummingbird
import MCPWire

/// The values of the declared fields by name, and the body's bytes; what is not declared is not here.
struct EndpointInputs: Sendable {
    private var values: [String: JSONValue] = [:]
    /// The body byte for byte, where the endpoint takes bytes; empty otherwise.
    let bytes: [UInt8]

    /// - Parameter captures: the segments of the path that stand for its parameters, from left to right, still percent-encoded.
    /// - Throws: 400 if the request is not acceptable.
    init(of request: Request, captures: [Substring], body: ReceivedBody, for endpoint: Endpoint) throws(HTTPFailure) {
        let query = QueryText(request.uri.query)
        let captured = Dictionary(zip(endpoint.pattern.parameters, captures), uniquingKeysWith: { first, _ in first })
        try self.init(
            for: endpoint, path: { captured[$0] }, query: query.value(of:),
            header: { HTTPField.Name($0).flatMap { request.headers[$0] } },
            body: endpoint.reads.isRaw ? [:] : body.values(of: endpoint.body), bytes: endpoint.reads.isRaw ? body.bytes : [])
    }

    init(
        for endpoint: Endpoint, path: (String) -> Substring? = { _ in nil },
        query: (String) throws(HTTPFailure) -> String? = { (_) throws(HTTPFailure) in nil },
        header: (String) -> String? = { _ in nil }, body: JSONObject = [:], bytes: [UInt8] = []
    ) throws(HTTPFailure) {
        self.bytes = bytes
        for field in endpoint.parameters {
            guard let segment = path(field.name) else { continue }
            guard let text = PercentText.decode(segment.utf8) else {
                throw .badRequest("Invalid \(field.name). Must be percent-encoded UTF-8.")
            }
            values[field.name] = field.given(text)
        }
        for field in endpoint.query { values[field.name] = try query(field.name).map(field.given) }
        for field in endpoint.headers { values[field.name] = header(field.name).map(field.given) }
        for field in endpoint.body { values[field.name] = body[field.name] }
        for field in endpoint.fields { try field.check(values[field.name]) }
    }

    subscript(name: String) -> JSONValue? { values[name] }
}
