// Who may use an endpoint, and how they prove it: a value, so that a new way to prove it is one declaration and touches nothing else.

import ClusterState
import GateDomain
import HTTPTypes
import MCPWire

/// Who may use an endpoint.
///
/// The router calls `caller` and knows no kinds of callers; the documentation and the generic tests read the rest.
struct Requirement: Sendable {
    /// Finds out who asks; looks at nothing but what it is given. Asked before the body is read, and again when it has been.
    /// - Throws: 401, 403 or 503.
    typealias Proving = @Sendable (Presented, Authenticator) async throws -> Caller

    /// As lists of routes call it: `none`, `api_key`, `admin(viewer)`.
    let name: String
    /// Ways to prove it, any of which will do; none if nothing has to be proved.
    let schemes: [SecurityScheme]
    /// Whose window its requests count in (F-RATE-04, F-RATE-06).
    let throttle: AddressLimiter.Scope?
    /// Statuses with which it turns somebody away.
    let refusals: [HTTPResponse.Status]
    /// The lowest role of an administrator that will do; nil where it takes none.
    let leastRole: AdminRole?
    /// Whether the proof is over the body or in it: the body is read first then.
    let readsBody: Bool
    let caller: Proving

    init(
        _ name: String, _ schemes: [SecurityScheme], throttle: AddressLimiter.Scope?, refusals: [HTTPResponse.Status],
        leastRole: AdminRole? = nil, readsBody: Bool = false, caller: @escaping Proving
    ) {
        self.name = name
        self.schemes = schemes
        self.throttle = throttle
        self.refusals = refusals
        self.leastRole = leastRole
        self.readsBody = readsBody
        self.caller = caller
    }
}

extension Requirement: Equatable {
    static func == (left: Requirement, right: Requirement) -> Bool { left.name == right.name }
}

extension Requirement {
    static let anyone = Requirement("none", [], throttle: .public, refusals: []) { _, _ in .anyone }

    /// Whoever holds an API key; it is told of that key alone. What lends a key is for calls, and opens nothing here.
    static let apiKey = Requirement(
        "api_key", [.apiKey, .bearer], throttle: nil, refusals: [.unauthorized, .forbidden, .serviceUnavailable]
    ) {
        shown, authenticator in
        guard let key = try await authenticator.holder(.ofKey(shown.credential), by: [.key]) else {
            throw HTTPFailure.unauthorized("Missing or invalid API key")
        }
        if let address = shown.address, !key.addresses.isEmpty, !key.addresses.contains(where: { $0.contains(address) }) {
            throw HTTPFailure(.forbidden, Denial.addressNotAllowed(address).reason)
        }
        return .holder(key)
    }

    /// An administrator of this role or a higher one (F-ADMIN).
    static func atLeast(_ required: AdminRole) -> Requirement {
        Requirement(
            "admin(\(required.rawValue))", [.adminKey], throttle: .admin,
            refusals: [.unauthorized, .serviceUnavailable] + (required > .viewer ? [.forbidden] : []), leastRole: required
        ) { shown, authenticator in
            let proof = Proof.ofAdministrator(shown.credential)
            guard let administrator = try await authenticator.administrator(proof, from: shown.address) else {
                throw HTTPFailure.unauthorized("Invalid admin key")
            }
            guard administrator.role >= required else {
                throw HTTPFailure.forbidden(required: required, current: administrator.role)
            }
            return .admin(administrator)
        }
    }
}

/// What a request shows before its inputs are looked at.
struct Presented: Sendable {
    let header: @Sendable (HTTPField.Name) -> String?
    let query: @Sendable (String) -> String?
    /// Byte for byte as it came; empty unless the requirement reads bodies.
    var body: [UInt8] = []
    /// Of the client, as trusted proxies tell it (F-RATE-11); nil where it does not matter whence it comes.
    var address: IPAddress?

    func credential(_ header: CredentialHeader) -> String? {
        switch header {
        case .apiKey: self.header(.xAPIKey)
        case .adminKey: self.header(.xAdminKey)
        case .authorization: self.header(.authorization)
        }
    }
}

/// A way to prove something, as OpenAPI names it.
struct SecurityScheme: Sendable, Equatable {
    let name: String
    let definition: JSONValue

    static let adminKey = header("adminKey", .xAdminKey)
    static let apiKey = header("apiKey", .xAPIKey)
    static let bearer = SecurityScheme(name: "bearer", definition: ["type": "http", "scheme": "bearer"])

    static func header(_ name: String, _ field: HTTPField.Name) -> SecurityScheme {
        SecurityScheme(name: name, definition: ["type": "apiKey", "in": "header", "name": .string(field.rawName)])
    }

    static func query(_ name: String, parameter: String) -> SecurityScheme {
        SecurityScheme(name: name, definition: ["type": "apiKey", "in": "query", "name": .string(parameter)])
    }
}

/// Who sent a request: a name for the audit log, and whatever the requirement has found out.
struct Caller: Sendable {
    /// In the words of the audit log; never a secret.
    let actor: String
    /// A `KeyRecord`, an `Administrator`, or what else a requirement makes of a proof.
    let identity: (any Sendable)?

    init(actor: String, identity: (any Sendable)? = nil) {
        self.actor = actor
        self.identity = identity
    }

    static let anyone = Caller(actor: "anyone")
    static func holder(_ key: KeyRecord) -> Caller { Caller(actor: key.masked, identity: key) }
    static func admin(_ administrator: Administrator) -> Caller { Caller(actor: administrator.key.actor, identity: administrator) }
}
