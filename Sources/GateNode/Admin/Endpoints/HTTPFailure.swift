// Every way in which an endpoint says no: a status, one sentence, and nothing that an outsider should not see (F-SEC-15).

import HTTPTypes
import Hummingbird
import MCPWire
import NIOCore

/// An answer of the form `{error, requestId, …}` (F-HTTP-02).
struct HTTPFailure: Error, Sendable {
    let status: HTTPResponse.Status
    let sentence: String
    var details: JSONObject = [:]
    var headers: HTTPFields = [:]

    init(_ status: HTTPResponse.Status, _ sentence: String) {
        self.status = status
        self.sentence = sentence
    }
}

extension HTTPFailure {
    static func badRequest(_ sentence: String) -> HTTPFailure { HTTPFailure(.badRequest, sentence) }
    static func conflict(_ sentence: String) -> HTTPFailure { HTTPFailure(.conflict, sentence) }
    static func unauthorized(_ sentence: String) -> HTTPFailure { HTTPFailure(.unauthorized, sentence) }
    static func notFound(_ sentence: String) -> HTTPFailure { HTTPFailure(.notFound, sentence) }

    static let unknownKey = notFound("Key not found")
    static let unknownPath = notFound("Not found")
    static let `internal` = HTTPFailure(.internalServerError, "Internal error")

    static func forbidden(required: AdminRole, current: AdminRole) -> HTTPFailure {
        var failure = HTTPFailure(.forbidden, "Insufficient permissions")
        failure.details = ["requiredRole": .string(required.rawValue), "currentRole": .string(current.rawValue)]
        return failure
    }

    static func methodNotAllowed(allow: String) -> HTTPFailure {
        var failure = HTTPFailure(.methodNotAllowed, "Method not allowed. Use \(allow).")
        failure.headers[.allow] = allow
        return failure
    }

    /// - Parameter wait: seconds, 1 to 60 (F-HTTP-06).
    static func tooManyRequests(wait: Int) -> HTTPFailure {
        HTTPFailure(.tooManyRequests, "Too many requests").retryable(after: wait)
    }

    /// The same refusal with further members in its answer.
    func with(_ details: JSONObject) -> HTTPFailure {
        var failure = self
        failure.details = details
        return failure
    }

    func retryable(after seconds: Int) -> HTTPFailure {
        var failure = self
        failure.headers[.retryAfter] = String(seconds)
        return failure
    }

    func response(requestID: String) -> Response {
        var body = JSONObject([("error", .string(sentence)), ("requestId", .string(requestID))])
        for member in details { body[member.name] = member.value }
        var response = EndpointResponse(json: .object(body)).response(or: status)
        for field in headers { response.headers[field.name] = field.value }
        return response
    }
}
