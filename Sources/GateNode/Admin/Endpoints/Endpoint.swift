// A route as a value. Router, role check, validation, OpenAPI, the index pages and the generic tests read the same values.

import ClusterState
import HTTPTypes
import MCPWire

/// One method on one path: what it takes, who may use it, what it answers and does (design rule 7).
///
/// A verb is one file with one of these; it is served, documented and tested as soon as it stands in its `EndpointGroup`.
struct Endpoint: Sendable {
    /// Does the work. Its inputs have been checked; it may let every `PublicFailure` pass.
    typealias Handler = @Sendable (EndpointRequest, Node) async throws -> EndpointResponse

    let method: HTTPRequest.Method
    let path: String
    /// One sentence.
    let summary: String
    let role: EndpointRole
    /// Nil for probes, which must never be turned away.
    let throttle: AddressLimiter.Scope?
    let query: [any DeclaredField]
    let headers: [any DeclaredField]
    let body: [any DeclaredField]
    let success: HTTPResponse.Status
    let answer: Schema
    /// Media types of the answer; the first is the usual one.
    let media: [String]
    /// Types of the audit events that it may write (F-AUDIT-02, F-AUDIT-03).
    let audits: [String]
    /// Nil where the front handler answers and not the router: `/mcp`.
    let handler: Handler?
    private let ownFailures: [HTTPResponse.Status]

    init(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, for role: EndpointRole, isThrottled: Bool = true,
        query: [any DeclaredField] = [], headers: [any DeclaredField] = [], body: [any DeclaredField] = [],
        success: HTTPResponse.Status = .ok, answer: Schema, media: [String] = [MediaType.json],
        failures: [HTTPResponse.Status] = [], audits: [String] = [], handler: Handler? = nil
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.role = role
        throttle = isThrottled ? role.throttle : nil
        self.query = query
        self.headers = headers
        self.body = body
        self.success = success
        self.answer = answer
        self.media = media
        self.audits = audits
        self.handler = handler
        ownFailures = failures
    }
}

extension Endpoint {
    var fields: [any DeclaredField] { query + headers + body }

    /// Whether a request has a body that is read.
    var takesBody: Bool { method == .post || method == .put || method == .patch }

    /// Pages that are told about by HEAD as well (`reference-answers.md`).
    var answersHead: Bool { method == .get && role == .anyone }

    /// Every status of a refusal, in order: what its declaration implies and what it says of its own.
    var failures: [HTTPResponse.Status] {
        var failures = ownFailures
        switch role {
        case .anyone: break
        case .apiKey: failures += [.unauthorized, .serviceUnavailable]
        case .atLeast(let role): failures += [.unauthorized, .serviceUnavailable] + (role > .viewer ? [.forbidden] : [])
        }
        if takesBody { failures += [.badRequest, .contentTooLarge, .unsupportedMediaType] }
        if !fields.isEmpty { failures += [.badRequest] }
        if throttle != nil { failures += [.tooManyRequests] }
        return Dictionary(failures.map { ($0.code, $0) }, uniquingKeysWith: { first, _ in first }).values.sorted { $0.code < $1.code }
    }

    /// The path in camel case, as the index pages name it: `/keys/rate-limit-status` is `keysRateLimitStatus`.
    var pathName: String {
        let words = path.split { !$0.isLetter && !$0.isNumber }.map { $0.lowercased() }.filter { $0 != "json" && $0 != "txt" }
        guard let first = words.first else { return "root" }
        return first + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}

/// Media types that answers have.
enum MediaType {
    static let json = "application/json"
    static let csv = "text/csv; charset=utf-8"
    static let text = "text/plain; charset=utf-8"
    static let exposition = "text/plain; version=0.0.4; charset=utf-8"
}
