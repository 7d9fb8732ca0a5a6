// What a verb answers: JSON, text, a stream that is written as it is made, or the way to another page.

import GateValues
import HTTPTypes
import Hummingbird
import MCPWire
import NIOCore

/// An answer; as a literal it is a JSON object with the endpoint's own status.
struct EndpointResponse: Sendable {
    /// Makes the parts of an answer, in order; each `write` returns when the connection has room for more.
    typealias Producer = @Sendable (_ write: ([UInt8]) async throws -> Void) async throws -> Void

    private enum Body: Sendable {
        case whole([UInt8])
        case streamed(Producer)
    }

    /// Nil for the status that the endpoint declares.
    var status: HTTPResponse.Status?
    var headers: HTTPFields = [:]
    private let body: Body
    /// Done when the connection of a streamed answer has ended, whether its producer has noticed or not.
    private var whenGone: (@Sendable () async -> Void)?

    init(json: JSONValue, status: HTTPResponse.Status? = nil) {
        self.init(json.bytes, type: MediaType.json, status: status)
    }

    init(_ text: String, type: String, status: HTTPResponse.Status? = nil) {
        self.init(Array(text.utf8), type: type, status: status)
    }

    init(_ bytes: [UInt8], type: String, status: HTTPResponse.Status? = nil) {
        body = .whole(bytes)
        self.status = status
        headers[.contentType] = type
    }

    /// An answer of unknown length. Nothing of it is kept; a failure of `produce` resets the connection, so that what has been
    /// sent never looks like all of it. What may fail is best tried once before this answer is made.
    /// - Parameter whenGone: done when the client has gone, also while nothing is written; it keeps no connection and no answer.
    init(streaming type: String, whenGone: (@Sendable () async -> Void)? = nil, _ produce: @escaping Producer) {
        body = .streamed(produce)
        self.whenGone = whenGone
        headers[.contentType] = type
    }

    /// The whole body; nil for one that is streamed.
    var bytes: [UInt8]? {
        if case .whole(let bytes) = body { bytes } else { nil }
    }

    /// Sends the client elsewhere.
    /// - Parameter location: an absolute URL or a path; it holds no control characters.
    init(redirect location: String, status: HTTPResponse.Status = .found) {
        body = .whole([])
        self.status = status
        headers[.location] = location
    }

    /// May be kept by clients and caches for an hour (F-HDR-13).
    var cacheable: EndpointResponse {
        var response = self
        response.headers[.cacheControl] = "public, max-age=3600"
        return response
    }

    /// - Parameters:
    ///   - usual: the status that the endpoint declares.
    ///   - connection: the one that a streamed answer is written to.
    ///   - cut: told why a streamed answer has failed half way.
    func response(
        or usual: HTTPResponse.Status, on connection: StreamedConnection? = nil, cut: @escaping @Sendable (any Error) -> Void = { _ in }
    ) -> Response {
        switch body {
        case .whole(let bytes):
            return Response(status: status ?? usual, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        case .streamed(let produce):
            if let whenGone { connection?.whenEnded(whenGone) }
            let body = ResponseBody { [whenGone] writer in
                defer { if whenGone != nil { connection?.answered() } }
                do {
                    try await produce { part in
                        if part.isEmpty { return }
                        let alarm = connection?.watch()
                        defer { alarm?.cancel() }
                        try await writer.write(ByteBuffer(bytes: part))
                    }
                } catch {
                    cut(error)
                    connection?.reset()
                    throw error
                }
                try await writer.finish(nil)
            }
            return Response(status: status ?? usual, headers: headers, body: body)
        }
    }
}

extension EndpointResponse: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral members: (String, any JSONRepresentable)...) {
        self.init(json: .object(JSONObject(members.map { ($0.0, $0.1.json) })))
    }
}

extension EndpointResponse {
    init<Source>(_ view: View<Source>, _ source: Source, status: HTTPResponse.Status? = nil) {
        self.init(json: view.json(source).json, status: status)
    }
}
