// Reading of request bodies: strict JSON, of bounded size.

import HTTPTypes
import Hummingbird
import MCPWire
import NIOCore

enum JSONBody {
    /// Bytes of a body (F-HTTP-03).
    static let limit = 1_048_576

    /// The members of the body; none if there is no body, which needs no content type then (F-HTTP-08).
    static func object(of request: Request) async throws -> JSONObject {
        let type = request.headers[.contentType]
        if let type, !isJSON(type) { throw HTTPFailure.unsupportedMediaType }
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit { throw HTTPFailure.bodyTooLarge }
        let bytes = try await collected(request.body)
        if bytes.readableBytes == 0 { return [:] }
        guard type != nil else { throw HTTPFailure.unsupportedMediaType }
        return try object(in: Array(bytes.readableBytesView))
    }

    private static func collected(_ body: RequestBody) async throws -> ByteBuffer {
        do {
            return try await body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw HTTPFailure.bodyTooLarge
        }
    }

    static func object(in bytes: [UInt8]) throws(HTTPFailure) -> JSONObject {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONValue.parse(bytes, rules: .strict)
        } catch {
            throw .badRequest("Invalid JSON body: \(error.sentence)")
        }
        guard let object = value.objectValue else { throw .badRequest("Invalid JSON body: expected an object") }
        return object
    }

    private static func isJSON(_ type: String) -> Bool {
        let essence = type.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
        return essence.lowercased() == MediaType.json
    }
}
