// A route as a value. Router, proof, validation, OpenAPI, the index pages and the generic tests read the same values.

import ClusterState
import GateValues
import HTTPTypes
import MCPWire

/// One method on one path: what it takes, who may use it, what it answers and does (docs/architecture.md, rule 7).
///
/// A verb is one file with one of these; it is served, documented and tested as soon as it stands in its `EndpointGroup`.
struct Endpoint: Sendable {
    /// Does the work. Its inputs have been checked; it may let every `PublicFailure` pass.
    typealias Handler = @Sendable (EndpointRequest, AdminParts) async throws -> EndpointResponse

    let method: HTTPRequest.Method
    /// With its parameters after colons: `/api/keys/:id/revoke`.
    let path: String
    let pattern: PathPattern
    /// One sentence.
    let summary: String
    let requirement: Requirement
    /// Nil for probes, which must never be turned away.
    let throttle: AddressLimiter.Scope?
    /// The parameters of the path; each is a required field of the name that the path has for it.
    let parameters: [any DeclaredField]
    let query: [any DeclaredField]
    let headers: [any DeclaredField]
    let body: [any DeclaredField]
    /// The kind of body that `body` is read from.
    let reads: BodyRule
    let success: HTTPResponse.Status
    /// Another status of the same answer: 200 where something was changed and not made.
    let otherSuccess: HTTPResponse.Status?
    let answer: Schema
    /// Media types of the answer, the usual one first; none for an answer without a body.
    let media: [String]
    /// Types of the audit events that it may write (F-AUDIT-02, F-AUDIT-03).
    let audits: [String]
    /// Nil where the front handler answers and not the router: `/mcp`.
    private(set) var handler: Handler?
    private let ownFailures: [HTTPResponse.Status]

    /// An endpoint that needs nothing of the node but what its request has; without a handler, one that is answered elsewhere.
    init(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, for requirement: Requirement, isThrottled: Bool = true,
        parameters: [any DeclaredField] = [], query: [any DeclaredField] = [], headers: [any DeclaredField] = [],
        body: [any DeclaredField] = [], reads: BodyRule = .json, success: HTTPResponse.Status = .ok,
        or otherSuccess: HTTPResponse.Status? = nil, answer: Schema, media: [String] = [MediaType.json],
        failures: [HTTPResponse.Status] = [], audits: [String] = [],
        handler: (@Sendable (EndpointRequest) async throws -> EndpointResponse)? = nil
    ) {
        self.method = method
        self.path = path
        pattern = PathPattern(path)
        self.summary = summary
        self.requirement = requirement
        throttle = isThrottled ? requirement.throttle : nil
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.body = body
        self.reads = reads
        self.success = success
        self.otherSuccess = otherSuccess
        self.answer = answer
        self.media = media
        self.audits = audits
        if let handler { self.handler = { request, _ in try await handler(request) } }
        ownFailures = failures
    }

    /// An endpoint that works with some parts of the node and is given no other: `using: \.events`.
    init<Part>(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, for requirement: Requirement, isThrottled: Bool = true,
        parameters: [any DeclaredField] = [], query: [any DeclaredField] = [], headers: [any DeclaredField] = [],
        body: [any DeclaredField] = [], reads: BodyRule = .json, success: HTTPResponse.Status = .ok,
        or otherSuccess: HTTPResponse.Status? = nil, answer: Schema, media: [String] = [MediaType.json],
        failures: [HTTPResponse.Status] = [], audits: [String] = [],
        using part: @escaping @Sendable (AdminParts) -> Part,
        handler: @escaping @Sendable (EndpointRequest, Part) async throws -> EndpointResponse
    ) {
        self.init(
            method, path, summary, for: requirement, isThrottled: isThrottled, parameters: parameters, query: query, headers: headers,
            body: body, reads: reads, success: success, or: otherSuccess, answer: answer, media: media, failures: failures, audits: audits)
        self.handler = { request, parts in try await handler(request, part(parts)) }
    }

    /// An endpoint whose answer is declared once: its handler returns what the view shows, of several values a tuple in the view's order.
    init<Part, Answer>(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, for requirement: Requirement, isThrottled: Bool = true,
        parameters: [any DeclaredField] = [], query: [any DeclaredField] = [], headers: [any DeclaredField] = [],
        body: [any DeclaredField] = [], reads: BodyRule = .json, success: HTTPResponse.Status = .ok,
        answer view: View<Answer>, failures: [HTTPResponse.Status] = [], audits: [String] = [],
        using part: @escaping @Sendable (AdminParts) -> Part,
        handler: @escaping @Sendable (EndpointRequest, Part) async throws -> Answer
    ) {
        self.init(
            method, path, summary, for: requirement, isThrottled: isThrottled, parameters: parameters, query: query, headers: headers,
            body: body, reads: reads, success: success, answer: view.schema, failures: failures, audits: audits, using: part
        ) { request, part in EndpointResponse(view, try await handler(request, part)) }
    }
}

extension Endpoint {
    var fields: [any DeclaredField] { parameters + query + headers + body }

    /// Whether a request has a body that is read.
    var takesBody: Bool { method == .post || method == .put || method == .patch || !body.isEmpty || reads.isRaw }

    /// Pages that are told about by HEAD as well, as probes and link checkers ask so.
    var answersHead: Bool { method == .get && requirement == .anyone }

    /// Every status of a refusal, in order: what its declaration implies and what it says of its own.
    var failures: [HTTPResponse.Status] {
        var failures = ownFailures + requirement.refusals
        if takesBody { failures += [.badRequest, .contentTooLarge, .unsupportedMediaType] }
        if !fields.isEmpty { failures += [.badRequest] }
        if !(parameters + query).isEmpty { failures += [.uriTooLong] }
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

/// Media types of bodies and answers.
enum MediaType {
    static let json = "application/json"
    static let form = "application/x-www-form-urlencoded"
    static let csv = "text/csv; charset=utf-8"
    static let jsonLines = "application/x-ndjson"
    static let eventStream = "text/event-stream"
    static let text = "text/plain; charset=utf-8"
    static let exposition = "text/plain; version=0.0.4; charset=utf-8"
}
