// What a verb answers.

import HTTPTypes
import Hummingbird
import MCPWire
import NIOCore

/// An answer; as a literal it is a JSON object with the endpoint's own status.
struct EndpointResponse: Sendable {
    /// Nil for the status that the endpoint declares.
    var status: HTTPResponse.Status?
    var headers: HTTPFields = [:]
    private let bytes: [UInt8]

    init(json: JSONValue, status: HTTPResponse.Status? = nil) {
        self.init(json.bytes, type: MediaType.json, status: status)
    }

    init(_ text: String, type: String) {
        self.init(Array(text.utf8), type: type, status: nil)
    }

    init(_ bytes: [UInt8], type: String, status: HTTPResponse.Status? = nil) {
        self.bytes = bytes
        self.status = status
        headers[.contentType] = type
    }

    /// May be kept by clients and caches for an hour (F-HDR-13).
    var cacheable: EndpointResponse {
        var response = self
        response.headers[.cacheControl] = "public, max-age=3600"
        return response
    }

    func response(or usual: HTTPResponse.Status) -> Response {
        Response(status: status ?? usual, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}

extension EndpointResponse: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral members: (String, any JSONRepresentable)...) {
        self.init(json: .object(JSONObject(members.map { ($0.0, $0.1.json) })))
    }
}
