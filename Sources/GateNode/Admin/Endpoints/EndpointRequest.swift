// A request as a verb sees it: checked values, who asks, and the words for the audit log.

import ClusterState
import GateDomain
import HTTPTypes
import MCPWire

/// One request to an endpoint, after role, throttle and inputs have been checked.
struct EndpointRequest: Sendable {
    /// As in `X-Request-Id` (F-HDR-01).
    let id: String
    let endpoint: Endpoint
    let caller: Caller
    let inputs: EndpointInputs
    /// The table that the endpoint stands in.
    let table: EndpointTable
    let clock: RedisClock
    /// The node's figures, gathered when they are asked for.
    let figures: @Sendable () async -> NodeFigures
    /// What the audit log says behind each of its messages.
    var remark = ""

    /// Milliseconds since 1970 of Redis TIME, as last heard.
    var now: Int { clock.milliseconds }

    /// The value of one of the endpoint's fields.
    /// - Throws: 400 if it is not acceptable; 500 if the endpoint does not declare it, which is a fault of the endpoint.
    subscript<Value>(field: Field<Value>) -> Value {
        get throws(HTTPFailure) {
            guard endpoint.fields.contains(where: { $0.name == field.name }) else { throw Undeclared.found(field.name, in: endpoint) }
            return try field.value(of: inputs[field.name])
        }
    }

    /// The body byte for byte.
    /// - Throws: 500 if the endpoint does not declare that it reads bytes, which is a fault of the endpoint.
    var bytes: [UInt8] {
        get throws(HTTPFailure) {
            guard endpoint.reads.isRaw else { throw Undeclared.found("its bytes", in: endpoint) }
            return inputs.bytes
        }
    }

    /// The key that the request proved.
    var holder: KeyRecord {
        get throws(HTTPFailure) {
            guard let key = caller.identity as? KeyRecord else { throw .unauthorized("Missing or invalid API key") }
            return key
        }
    }

    /// The administrator that the request proved.
    var administrator: Administrator {
        get throws(HTTPFailure) {
            guard let administrator = caller.identity as? Administrator else { throw .unauthorized("Invalid admin key") }
            return administrator
        }
    }

    /// Who acts, in the words of the audit log.
    var actor: String { caller.actor }
}

/// An endpoint that reads what it does not declare: it would be neither checked nor documented.
enum Undeclared {
    /// Hears of it in tests, which go on then; without it a debug build stops at once.
    @TaskLocal static var report: (@Sendable (String) -> Void)?

    static func found(_ what: String, in endpoint: Endpoint) -> HTTPFailure {
        let sentence = "\(endpoint.method.rawValue) \(endpoint.path) does not declare \(what)"
        if let report {
            report(sentence)
        } else {
            #if DEBUG
            preconditionFailure(sentence)
            #endif
        }
        return .internal
    }
}

extension EndpointRequest {
    /// The key that the request is about (F-ALIAS-02).
    /// - Throws: 404 if there is none, or it is revoked and `revoked` does not ask for it.
    func target(in keys: KeyDirectory, revoked: Bool = false) async throws -> KeyRecord {
        guard let key = try await keys.find(self[.key]), revoked || key.state != .revoked else { throw HTTPFailure.unknownKey }
        return key
    }

    /// Names the operation, so that it is carried out once however often it is sent (D17).
    var operation: String {
        get throws(HTTPFailure) {
            if let name = try self[.idempotencyKey] { return name }
            return try self[.xIdempotencyKey] ?? RandomHex.digits(32)
        }
    }

    /// The audit entry that goes with a change.
    /// - Parameter type: one of those that the endpoint declares; its first one by default.
    func audit(
        _ message: String, of key: KeyRecord? = nil, as type: String? = nil, _ facts: KeyValuePairs<String, String> = [:]
    ) -> AuditEntry {
        let subject = key.map { [("keyMasked", $0.masked), ("name", $0.name), ("keyId", $0.id)] } ?? []
        return AuditEntry(
            type: type ?? endpoint.audits.first ?? endpoint.pathName, actor: actor, message: message + remark,
            metadata: subject + facts.filter { !$0.value.isEmpty } + [("requestId", id)])
    }
}
