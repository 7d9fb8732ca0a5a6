// The routes of a record type, over a store of the test's own.

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import MCPWire
import Testing

/// A record with one attribute of each kind.
private struct Team: Sendable, Equatable {
    let id: String
    let createdAt: Int
    var name = ""
    var budget = 0
    var quota: Int?
    var tags: [String: String] = [:]

    static let view = View<Team>([
        .text("id", \.id), .text("name", \.name), .credits("budget", \.budget), .integer("quota", \.quota).maybe, .tags("tags", \.tags),
        .time("createdAt", \.createdAt),
    ])

    static func resource(_ store: TeamStore, verbs: [ResourceVerb]) -> Resource<Team> {
        Resource(
            "team", path: "/teams", role: .admin,
            id: Field("teamId", .word(.string(1...100), rule: "Must be a team's id.") { (1...100).contains($0.utf8.count) }, "The team."),
            view: view, capacity: 3, store: { _ in store },
            attributes: [
                .required(
                    Field(
                        "name", .word(.string(1...200), rule: "Must be 1 to 200 characters.") { (1...200).contains($0.count) }, "Its name."),
                    \.name),
                .defaulting(Field("budget", .credits(0...1_000_000_000), "What it may spend."), to: 0, \.budget),
                .optional(Field("quota", .integer(1...1000), "Its calls a day."), \.quota),
                .merging(Field("tags", .tags, "Labels."), Field("tags", .tagChanges, "Labels; null removes one."), \.tags),
            ],
            make: { now in Team(id: "team_" + RandomHex.digits(16), createdAt: now) }, identify: \.id, facts: { [("name", $0.name)] },
            verbs: verbs)
    }

    /// The verbs of group teams in PayGate's form.
    static let posts: [ResourceVerb] = [
        .list(as: "teams", count: "count"), .create(as: "team"), .update(.post, "/teams/update", as: "team"),
        .delete(.post, "/teams/delete"),
        .read("/teams/one"),
    ]

    /// The same as other clients like it.
    static let paths: [ResourceVerb] = [
        .list(as: "teams", count: "total"), .create(), .read("/teams/:teamId"), .update(.patch, "/teams/:teamId"),
        .delete(.delete, "/teams/:teamId"),
    ]
}

/// A record whose id its client chooses.
private struct Template: Sendable, Equatable {
    var name = ""
    var credits = 0
    let createdAt: Int

    static let view = View<Template>([.text("name", \.name), .credits("credits", \.credits), .time("createdAt", \.createdAt)])
    static let name = Field("name", .alias, "Its name.")

    static func resource(_ store: TemplateStore) -> Resource<Template> {
        Resource(
            "template", path: "/keys/templates", role: .admin, id: name, view: view, capacity: 2, store: { _ in store },
            attributes: [.fixed(name, \.name), .defaulting(Field("credits", .credits, "What a key may spend."), to: 100, \.credits)],
            make: { Template(createdAt: $0) }, identify: \.name,
            verbs: [.list(as: "templates", count: "total"), .put(.post, as: "template"), .delete(.post, "/keys/templates/delete")])
    }
}

private actor TemplateStore: ResourceStore {
    private var templates: [String: Template] = [:]

    func list(offset: Int, count: Int) -> (records: [Template], total: Int) {
        (Array(templates.values.sorted { $0.name < $1.name }.dropFirst(offset).prefix(count)), templates.count)
    }

    func record(_ id: String) -> Template? { templates[id] }

    func create(_ record: Template, capacity: Int, audit: AuditEntry) throws {
        guard templates[record.name] == nil else { throw ResourceRefusal.taken("name") }
        guard templates.count < capacity else { throw ResourceRefusal.full(capacity: capacity) }
        templates[record.name] = record
    }

    func update(_ id: String, audit: @Sendable (Template) -> AuditEntry, _ change: @Sendable (inout Template) throws -> Void) throws
        -> Template?
    {
        guard var template = templates[id] else { return nil }
        try change(&template)
        templates[id] = template
        return template
    }

    func delete(_ id: String, audit: @Sendable (Template) -> AuditEntry) -> Template? { templates.removeValue(forKey: id) }
}

/// Keeps teams for as long as a test; names are unique.
private actor TeamStore: ResourceStore {
    private var teams: [Team] = []
    private(set) var audits: [AuditEntry] = []

    func list(offset: Int, count: Int) -> (records: [Team], total: Int) { (Array(teams.dropFirst(offset).prefix(count)), teams.count) }

    func record(_ id: String) -> Team? { teams.first { $0.id == id } }

    func create(_ record: Team, capacity: Int, audit: AuditEntry) throws {
        guard teams.count < capacity else { throw ResourceRefusal.full(capacity: capacity) }
        guard !teams.contains(where: { $0.name == record.name }) else { throw ResourceRefusal.taken("name") }
        teams.append(record)
        audits.append(audit)
    }

    func update(_ id: String, audit: @Sendable (Team) -> AuditEntry, _ change: @Sendable (inout Team) throws -> Void) throws -> Team? {
        guard let index = teams.firstIndex(where: { $0.id == id }) else { return nil }
        var team = teams[index]
        try change(&team)
        teams[index] = team
        audits.append(audit(team))
        return team
    }

    func delete(_ id: String, audit: @Sendable (Team) -> AuditEntry) -> Team? {
        guard let index = teams.firstIndex(where: { $0.id == id }) else { return nil }
        audits.append(audit(teams[index]))
        return teams.remove(at: index)
    }
}

@Suite("The routes of a resource")
struct ResourceTests {
    private func run(_ verbs: [ResourceVerb], _ test: @Sendable (AdminBench, TeamStore, [Endpoint]) async throws -> Void) async throws {
        let store = TeamStore()
        let endpoints = Team.resource(store, verbs: verbs).endpoints
        try await AdminBench.run(serving: endpoints) { bench in try await test(bench, store, endpoints) }
    }

    @Test("a view that is written at once reads like the object of its members")
    func writtenView() {
        let team = Team(id: "a\"b", createdAt: 1, name: "Ä\n", budget: 7, quota: 3, tags: ["x": "y"])
        for (view, team) in [(Team.view, team), (Team.view, Team(id: "", createdAt: 0)), (View([]), team)] {
            var bytes: [UInt8] = []
            view.append(team, to: &bytes)
            #expect(bytes == JSONValue.object(view.json(team)).bytes)
        }
    }

    @Test("POST paths: a team is made, listed, changed and deleted; each change is audited with its id, name and what has changed")
    func posts() async throws {
        try await run(Team.posts) { bench, store, _ in
            let made = try await bench.post("/teams", ["name": "red", "tags": ["a": "1", "b": "2"], "quota": 5])
            #expect(made.status == 201 && made.json["message"] == "Team created")
            let team = try #require(made.json["team"]), id = try #require(team["id"])
            #expect(id.stringValue?.wholeMatch(of: /team_[0-9a-f]{16}/) != nil && team["budget"] == 0 && team["quota"] == 5)
            #expect(try await bench.get("/teams").json == ["teams": [team], "count": 1])

            let changed = try await bench.post("/teams/update", ["teamId": id, "budget": 9.5, "quota": nil, "tags": ["a": nil, "c": "3"]])
                .json["team"]
            #expect(
                changed?["budget"] == 9 && changed?["name"] == "red" && changed?["quota"] == nil
                    && changed?["tags"] == ["b": "2", "c": "3"])
            #expect(try await bench.post("/teams/update", ["teamId": id, "name": nil]).json["team"] == changed)
            #expect(try await bench.get("/teams/one?teamId=\(id.stringValue ?? "")").json == changed)

            let gone = try await bench.post("/teams/delete", ["teamId": id])
            #expect(gone.json == ["deleted": true, "teamId": id, "message": "Team deleted"])
            for path in ["/teams/update", "/teams/delete"] {
                let answer = try await bench.post(path, ["teamId": id])
                #expect(answer.status == 404 && answer.error == "Team not found")
            }
            let audits = await store.audits
            #expect(
                audits.map(\.type) == ["team.created", "team.updated", "team.updated", "team.deleted"]
                    && audits.allSatisfy { $0.actor == "admin" })
            #expect(
                audits[1].metadata.contains { $0 == ("changes", "budget,quota,tags") }
                    && audits[1].metadata.contains { $0 == ("name", "red") })
        }
    }

    @Test("PATCH and DELETE with the id in the path do the same; answers are the record itself")
    func paths() async throws {
        try await run(Team.paths) { bench, _, _ in
            let team = try await bench.post("/teams", ["name": "blue"]).json
            let id = try #require(team["id"]?.stringValue)
            #expect(try await bench.get("/teams/\(id)").json == team)
            let headers = ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "application/json"]
            let changed = try await bench.send(.patch, "/teams/\(id)", headers, bytes: Array(#"{"name":"green"}"#.utf8))
            #expect(changed.json["name"] == "green" && changed.json["id"] == team["id"])
            #expect(try await bench.send(.delete, "/teams/\(id)", headers).status == 200)
            #expect(try await bench.get("/teams/\(id)").status == 404)
        }
    }

    @Test("a record of an id that the client chooses is made with 201, and changed with 200 in what the request gives")
    func puts() async throws {
        try await AdminBench.run(serving: Template.resource(TemplateStore()).endpoints) { bench in
            let made = try await bench.post("/keys/templates", ["name": "basic"])
            #expect(made.status == 201 && made.json["template"]?["credits"] == 100 && made.json["message"] == "Template created")
            let changed = try await bench.post("/keys/templates", ["name": "basic", "credits": 7])
            #expect(changed.status == 200 && changed.json["template"]?["credits"] == 7 && changed.json["message"] == "Template updated")
            #expect(try await bench.post("/keys/templates", ["name": "basic"]).json["template"] == changed.json["template"])
            #expect(try await bench.post("/keys/templates", ["credits": 7]).error == "Missing name")
            #expect(try await bench.post("/keys/templates", ["name": "a"]).status == 201)
            #expect(try await bench.post("/keys/templates", ["name": "b"]).error == "There may be at most 2")
            #expect(try await bench.post("/keys/templates/delete", ["name": "a"]).json["name"] == "a")
            #expect(try await bench.get("/keys/templates").json == ["templates": [try #require(changed.json["template"])], "total": 1])
        }
    }

    @Test("what a store refuses is said: a name that is taken is 409, one record too many is 400")
    func refusals() async throws {
        try await run(Team.posts) { bench, _, _ in
            for name in ["a", "b", "c"] { #expect(try await bench.post("/teams", ["name": .string(name)]).status == 201) }
            let full = try await bench.post("/teams", ["name": "d"])
            #expect(full.status == 400 && full.error == "There may be at most 3")
            let page = try await bench.get("/teams?limit=1&offset=1").json
            #expect(page["count"] == 3 && page["teams"]?.arrayValue?.compactMap { $0["name"] } == ["b"])
            let first = try #require(page["teams"]?[0]?["id"])
            _ = try await bench.post("/teams/delete", ["teamId": first])
            let taken = try await bench.post("/teams", ["name": "a"])
            #expect(taken.status == 409 && taken.error == "Name is already in use")
        }
    }

    @Test(
        "X35: every field of every verb refuses what breaks its declaration, and answers are as documented",
        arguments: [Team.posts, Team.paths])
    func declared(_ verbs: [ResourceVerb]) async throws {
        try await run(verbs) { bench, store, endpoints in
            #expect(EndpointTable.clashes(in: endpoints) == [])
            let made = try await bench.post("/teams", ["name": "kept"]).text
            let id = try #require(made.firstMatch(of: /team_[0-9a-f]{16}/).map { String($0.output) })
            let headers = ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "application/json"]
            for endpoint in endpoints {
                #expect(
                    endpoint.parameters.map(\.name) == endpoint.pattern.parameters
                        && Set(endpoint.fields.map(\.name)).count == endpoint.fields.count)
                let path =
                    endpoint.path.replacing(":teamId", with: id) + (endpoint.query.contains { $0.name == "teamId" } ? "?teamId=\(id)" : "")
                for field in endpoint.body {
                    for violation in SchemaConformance.violations(of: field.schema.json)
                    where !(field.name == "tags" && violation["a"] == .null) {
                        var body: JSONObject = ["teamId": .string(id), "name": "other"]
                        body[field.name] = violation
                        let answer = try await bench.send(endpoint.method, path, headers, bytes: body.json.bytes)
                        #expect(
                            answer.status == 400 && answer.error?.contains(field.name) == true,
                            "\(endpoint.path) \(field.name) \(violation.text.prefix(80)): \(answer.text)")
                    }
                }
                #expect(try await bench.send(endpoint.method, path, ["Content-Type": "application/json"], bytes: []).status == 401)
            }
            #expect(await store.list(offset: 0, count: 9).records.map(\.name) == ["kept"])
            let inOrder = endpoints.filter { !$0.audits.contains("team.deleted") } + endpoints.filter { $0.audits.contains("team.deleted") }
            for endpoint in inOrder {
                let path =
                    endpoint.path.replacing(":teamId", with: id) + (endpoint.query.contains { $0.name == "teamId" } ? "?teamId=\(id)" : "")
                let answer = try await bench.send(
                    endpoint.method, path, headers, bytes: endpoint.takesBody ? Array(#"{"teamId":"\#(id)","name":"new"}"#.utf8) : nil)
                #expect(answer.status == endpoint.success.code, "\(endpoint.path): \(answer.text)")
                #expect(SchemaConformance.faults(of: answer.json, against: endpoint.answer.json) == [], "\(endpoint.path): \(answer.text)")
            }
        }
    }
}
