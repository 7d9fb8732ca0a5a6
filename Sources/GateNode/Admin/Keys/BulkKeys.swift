// POST /keys/bulk: many changes of keys in one request, each of them the verb that there is for it.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let bulkKeys = Endpoint(
        .post, "/keys/bulk", "Carry out up to \(BulkStep.most) operations on keys in their order, also after some have failed.",
        for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey], body: [Field.operations],
        answer: [
            "total": .integer, "succeeded": .integer, "failed": .integer,
            "results": .list(
                of: [
                    "index": .integer, "action": .string, "success": .boolean, "result": Schema.object.maybe, "error": .string.maybe,
                ]),
        ],
        audits: BulkAction.allCases.flatMap(\.endpoint.audits), using: { $0 }
    ) { request, parts in
        let (orders, name) = (try request[.operations], try request[.idempotencyKey] ?? request[.xIdempotencyKey])
        if name != nil, orders.contains(where: { $0["action"]?.stringValue == BulkAction.create.rawValue }) {
            throw HTTPFailure.badRequest(
                "Operations with an Idempotency-Key cannot create keys, whose secrets are shown once; send those in a request of their own")
        }
        var results: [JSONObject] = []
        var (failed, isAway) = (0, false)
        for (index, order) in orders.enumerated() {
            let operation = name.map { Credential.digest(of: "bulk \(index) \($0)") }
            let action = order["action"]?.stringValue ?? ""
            var result = JSONObject([("index", index.json), ("action", .string(String(action.prefix(100)))), ("success", true)])
            do {
                // Nobody waits a hundred times for a store that is away.
                if isAway { throw HTTPFailure(.serviceUnavailable, "Not tried: the store did not answer an operation before it") }
                result["result"] = .object(try await BulkStep(order, operation, of: request, on: parts).carryOut())
            } catch {
                guard let failure = (error as? any PublicFailure)?.failure else { throw error }
                isAway = isAway || failure.status == .serviceUnavailable
                failed += 1
                result["success"] = false
                result["error"] = .string(failure.sentence)
            }
            results.append(result)
        }
        return ["total": results.count, "succeeded": results.count - failed, "failed": failed, "results": results]
    }
}

/// What one step of a bulk may do.
private enum BulkAction: String, CaseIterable {
    case create, topup, revoke, suspend, resume

    /// The verb that does it.
    var endpoint: Endpoint {
        switch self {
        case .create: .createKey
        case .topup: .topUp
        case .revoke: .revokeKey
        case .suspend: .suspendKey
        case .resume: .resumeKey
        }
    }

    /// What an operation may say.
    var members: [String] { ["action"] + endpoint.body.map(\.name) }

    /// One operation.
    var schema: Schema {
        let fields = endpoint.body.map { ($0.name, $0.isRequired ? $0.schema : $0.schema.maybe) }
        return Schema(members: [("action", .choice([rawValue]))] + fields).with("additionalProperties", false)
    }
}

/// One operation of a bulk: a request of its own to the verb that carries it out, so that nothing is judged by a second set of rules.
private struct BulkStep {
    static let most = 100

    private let action: BulkAction
    private let request: EndpointRequest
    private let parts: AdminParts

    /// - Parameter operation: names what must be done once, however often the bulk is sent; nil for what is sent once.
    /// - Throws: `HTTPFailure` where its fields are not acceptable.
    init(_ order: JSONObject, _ operation: String?, of bulk: EndpointRequest, on parts: AdminParts) throws {
        guard let action = order["action"].flatMap({ try? ValueKind<BulkAction>.choice.value(of: $0) }) else {
            throw HTTPFailure.badRequest("Invalid action. Must be one of \(BulkAction.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if let stranger = order.first(where: { member in !action.members.contains { $0.hasSameBytes(as: member.name) } }) {
            throw HTTPFailure.badRequest(
                "Invalid \(stranger.name.cut(toBytes: 100)). Must not be there: \(action.rawValue) takes \(action.members.dropFirst().joined(separator: ", "))."
            )
        }
        self.action = action
        self.parts = parts
        request = EndpointRequest(
            id: bulk.id, endpoint: action.endpoint, caller: bulk.caller,
            inputs: try EndpointInputs(for: action.endpoint, header: { $0 == Field.idempotencyKey.name ? operation : nil }, body: order),
            table: bulk.table, clock: bulk.clock, figures: bulk.figures, remark: " (bulk)")
    }

    func carryOut() async throws -> JSONObject {
        guard action != .create else { return try await answer() }
        let key = try await request.target(in: parts.keys, revoked: true)
        let masked = ("keyMasked", JSONValue.string(key.masked))
        // Who wants many keys in a state has it where one is there already.
        switch (action, key.state) {
        case (.suspend, .suspended): return JSONObject([masked, ("suspended", true), ("alreadySuspended", true)])
        case (.resume, .active): return JSONObject([masked, ("suspended", false), ("alreadyActive", true)])
        default: break
        }
        var answer = try await answer()
        if action == .topup {
            answer["newBalance"] = answer["credits"]
            answer["creditsAdded"] = request.inputs["credits"].flatMap(\.numberValue).map { .int(Int64($0.rounded(.down))) }
            answer["credits"] = nil
        }
        answer[masked.0] = masked.1
        return answer
    }

    private func answer() async throws -> JSONObject {
        guard let handler = action.endpoint.handler, let bytes = try await handler(request, parts).bytes,
            let answer = try? JSONValue.parse(bytes).objectValue
        else { throw HTTPFailure.internal }
        return answer
    }
}

extension Field where Value == [JSONObject] {
    fileprivate static let operations = Field(
        "operations",
        ValueKind<[JSONObject]>(
            .list(of: Schema(["type": "object", "oneOf": BulkAction.allCases.map(\.schema.json)])).with("minItems", 1).with(
                "maxItems", BulkStep.most)
        ) { json throws(ValueFault) in
            let orders = json.arrayValue?.compactMap(\.objectValue) ?? []
            guard (1...BulkStep.most).contains(orders.count), orders.count == json.arrayValue?.count else {
                throw ValueFault("Must be a list of 1 to \(BulkStep.most) objects.")
            }
            return orders
        }, "Each with an action (\(BulkAction.allCases.map(\.rawValue).joined(separator: ", "))) and the fields of that verb.")
}
