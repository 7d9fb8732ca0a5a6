// The routes that list, make, read, change and delete records of one type, from one declaration.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// A type of records with its routes.
///
///     Resource<Team>(
///         "team", path: "/teams", role: .admin, id: Field.teamID, view: Team.view, capacity: 1000, store: { $0.teams },
///         attributes: [.required(Field.name, \.name), .defaulting(Field.budget, to: 0, \.budget)],
///         make: { now in Team(id: "team_" + RandomHex.digits(16), createdAt: now) }, identify: \.id,
///         verbs: [
///             .list(as: "teams", count: "count"), .create(as: "team"), .update(.post, "/teams/update", as: "team"),
///             .delete(.post, "/teams/delete"),
///         ])
///
/// A verb's id is a parameter of its path where the path names it, a field of its body where it has one, and of its query otherwise.
struct Resource<Record: Sendable>: Sendable {
    /// What one of them is called: in sentences, in the types of audit events (`team.created`).
    let noun: String
    let path: String
    /// Who may change them; whoever may read anything may read them.
    let role: AdminRole
    let id: Field<String>
    let view: View<Record>
    /// Records that there may be.
    let capacity: Int
    let store: @Sendable (AdminParts) -> any ResourceStore<Record>
    let attributes: [Attribute<Record>]
    /// A record before its attributes are set.
    let make: @Sendable (_ now: Int) -> Record
    let identify: @Sendable (Record) -> String
    /// What the audit log says of a record besides its id.
    let facts: @Sendable (Record) -> [(String, String)]
    let verbs: [ResourceVerb]

    /// - Parameters:
    ///   - make: a record with an id of its own and nothing set; `now` in milliseconds since 1970 of Redis TIME.
    ///   - identify: the id of a record whose attributes have been set.
    init(
        _ noun: String, path: String, role: AdminRole, id: Field<String>, view: View<Record>, capacity: Int,
        store: @escaping @Sendable (AdminParts) -> any ResourceStore<Record>, attributes: [Attribute<Record>],
        make: @escaping @Sendable (_ now: Int) -> Record, identify: @escaping @Sendable (Record) -> String,
        facts: @escaping @Sendable (Record) -> [(String, String)] = { _ in [] }, verbs: [ResourceVerb]
    ) {
        self.noun = noun
        self.path = path
        self.role = role
        self.id = id
        self.view = view
        self.capacity = capacity
        self.store = store
        self.attributes = attributes
        self.make = make
        self.identify = identify
        self.facts = facts
        self.verbs = verbs
    }

    /// One endpoint for each verb.
    var endpoints: [Endpoint] {
        verbs.map { verb in
            switch verb.act {
            case .list(let member, let count): list(verb, member, count)
            case .create: create(verb)
            case .put: put(verb)
            case .read: read(verb)
            case .update: update(verb)
            case .delete: delete(verb)
            }
        }
    }
}

/// One verb of a resource: what it does, its route and the form of its answer.
struct ResourceVerb: Sendable {
    enum Act: Sendable {
        case list(member: String, count: String)
        case create, put, read, update, delete
    }

    let act: Act
    let method: HTTPRequest.Method
    /// Nil for the path of the resource.
    let path: String?
    /// The member of the answer that is the record, beside a message; nil for an answer that is the record.
    let member: String?

    /// `{teams: […], count}`; `limit` and `offset` choose a part.
    static func list(_ path: String? = nil, as member: String, count: String) -> ResourceVerb {
        ResourceVerb(act: .list(member: member, count: count), method: .get, path: path, member: nil)
    }

    static func create(_ method: HTTPRequest.Method = .post, _ path: String? = nil, as member: String? = nil) -> ResourceVerb {
        ResourceVerb(act: .create, method: method, path: path, member: member)
    }

    /// Makes a record of an id that the client chooses, or changes the one that there is: 201 or 200.
    static func put(_ method: HTTPRequest.Method, _ path: String? = nil, as member: String? = nil) -> ResourceVerb {
        ResourceVerb(act: .put, method: method, path: path, member: member)
    }

    static func read(_ path: String, as member: String? = nil) -> ResourceVerb {
        ResourceVerb(act: .read, method: .get, path: path, member: member)
    }

    static func update(_ method: HTTPRequest.Method, _ path: String, as member: String? = nil) -> ResourceVerb {
        ResourceVerb(act: .update, method: method, path: path, member: member)
    }

    /// `{deleted: true, <id>, message}`.
    static func delete(_ method: HTTPRequest.Method, _ path: String) -> ResourceVerb {
        ResourceVerb(act: .delete, method: method, path: path, member: nil)
    }
}

// MARK: Endpoints

extension Resource {
    private var title: String { noun.prefix(1).uppercased() + noun.dropFirst() }
    private var unknown: HTTPFailure { .notFound("\(title) not found") }

    private func list(_ verb: ResourceVerb, _ member: String, _ count: String) -> Endpoint {
        Endpoint(
            verb.method, verb.path ?? path, "List every \(noun).", for: .atLeast(.viewer), query: [Field.pageLimit, Field.pageOffset],
            answer: Schema(members: [
                (member, .list(of: view.schema)), (count, Schema.integer.described("Of all, whatever part is shown.")),
            ]),
            using: store
        ) { request, store in
            let part = try await store.list(offset: request[Field.pageOffset], count: request[Field.pageLimit])
            return EndpointResponse(json: .object([member: part.records.map(view.json).json, count: part.total.json]))
        }
    }

    private func create(_ verb: ResourceVerb) -> Endpoint {
        Endpoint(
            verb.method, verb.path ?? path, "Make a \(noun).", for: .atLeast(role), body: attributes.compactMap(\.onCreate),
            success: .created, answer: schema(of: verb), failures: [.conflict], audits: [noun + ".created"], using: store
        ) { request, store in
            var record = make(request.now)
            for attribute in attributes { try attribute.create(request, &record) }
            try await store.create(record, capacity: capacity, audit: audit(request, "created", of: record))
            return answer(verb, record, "\(title) created")
        }
    }

    private func read(_ verb: ResourceVerb) -> Endpoint {
        let place = place(in: verb)
        return Endpoint(
            verb.method, verb.path ?? path, "Read a \(noun).", for: .atLeast(.viewer), parameters: place.parameters, query: place.query,
            answer: schema(of: verb), failures: [.notFound], using: store
        ) { request, store in
            guard let record = try await store.record(request[id]) else { throw unknown }
            return answer(verb, record, nil)
        }
    }

    /// The id is one of the attributes (`fixed`). What is left out stays, and is what a new record has where there is none.
    private func put(_ verb: ResourceVerb) -> Endpoint {
        let place = place(in: verb)
        return Endpoint(
            verb.method, verb.path ?? path, "Make a \(noun), or change the one of that \(id.name); what is left out stays.",
            for: .atLeast(role),
            parameters: place.parameters, query: place.query, body: place.body + changes.compactMap(\.onUpdate), success: .created, or: .ok,
            answer: schema(of: verb), failures: [.conflict], audits: [noun + ".created", noun + ".updated"], using: store
        ) { request, store in
            if let record = try await changed(by: request, in: store) { return answer(verb, record, "\(title) updated", status: .ok) }
            var record = make(request.now)
            for attribute in attributes { try attribute.create(request, &record) }
            do {
                try await store.create(record, capacity: capacity, audit: audit(request, "created", of: record))
                return answer(verb, record, "\(title) created")
            } catch let refusal as ResourceRefusal {
                // Somebody else has made it meanwhile.
                guard let record = try await changed(by: request, in: store) else { throw refusal }
                return answer(verb, record, "\(title) updated", status: .ok)
            }
        }
    }

    /// The attributes that a request may change.
    private var changes: [Attribute<Record>] { attributes.filter { $0.onUpdate != nil && $0.name != id.name } }

    private func changed(by request: EndpointRequest, in store: any ResourceStore<Record>) async throws -> Record? {
        let given = changes.filter { $0.isGiven(request) }
        let names = given.map(\.name).joined(separator: ",")
        return try await store.update(request[id], audit: { audit(request, "updated", of: $0, [("changes", names)]) }) { record in
            for attribute in given { try attribute.update(request, &record) }
        }
    }

    private func update(_ verb: ResourceVerb) -> Endpoint {
        let place = place(in: verb)
        return Endpoint(
            verb.method, verb.path ?? path, "Change a \(noun); what is left out stays.", for: .atLeast(role), parameters: place.parameters,
            query: place.query, body: place.body + changes.compactMap(\.onUpdate), answer: schema(of: verb),
            failures: [.notFound, .conflict],
            audits: [noun + ".updated"], using: store
        ) { request, store in
            guard let record = try await changed(by: request, in: store) else { throw unknown }
            return answer(verb, record, "\(title) updated")
        }
    }

    private func delete(_ verb: ResourceVerb) -> Endpoint {
        let place = place(in: verb)
        return Endpoint(
            verb.method, verb.path ?? path, "Delete a \(noun).", for: .atLeast(role), parameters: place.parameters, query: place.query,
            body: place.body, answer: Schema(members: [("deleted", .boolean), (id.name, .string), ("message", .string)]),
            failures: [.notFound],
            audits: [noun + ".deleted"], using: store
        ) { request, store in
            let name = try request[id]
            guard let record = try await store.delete(name, audit: { audit(request, "deleted", of: $0) }) else { throw unknown }
            return EndpointResponse(
                json: .object(["deleted": true, id.name: .string(identify(record)), "message": .string("\(title) deleted")]))
        }
    }

    private func place(in verb: ResourceVerb) -> (parameters: [any DeclaredField], query: [any DeclaredField], body: [any DeclaredField]) {
        if PathPattern(verb.path ?? path).parameters.contains(id.name) { return ([id], [], []) }
        return verb.method == .get || verb.method == .delete ? ([], [id], []) : ([], [], [id])
    }

    private func schema(of verb: ResourceVerb) -> Schema {
        guard let member = verb.member else { return view.schema }
        return Schema(members: [(member, view.schema), ("message", .string.maybe)])
    }

    private func answer(_ verb: ResourceVerb, _ record: Record, _ message: String?, status: HTTPResponse.Status? = nil) -> EndpointResponse
    {
        guard let member = verb.member else { return EndpointResponse(view, record, status: status) }
        var page: JSONObject = [member: view.json(record).json]
        page["message"] = message.map(JSONValue.string)
        return EndpointResponse(json: .object(page), status: status)
    }

    private func audit(_ request: EndpointRequest, _ what: String, of record: Record, _ more: [(String, String)] = []) -> AuditEntry {
        AuditEntry(
            type: "\(noun).\(what)", actor: request.actor, message: "\(title) \(what)",
            metadata: [(id.name, identify(record))] + facts(record) + more.filter { !$0.1.isEmpty } + [("requestId", request.id)])
    }
}

extension Field where Value == Int {
    fileprivate static let pageLimit = Field(
        "limit", .integer(1...ResourceLimits.page, excess: .clamped), "How many are shown."
    ).default(ResourceLimits.page)
    fileprivate static let pageOffset = Field("offset", .integer(0...100_000, excess: .clamped), "How many are left out before them.")
        .default(0)
}
