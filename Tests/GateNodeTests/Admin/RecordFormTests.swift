// What is shown of keys and teams, and how long what is said of them may be.

@testable import GateNode
import GateTesting
import MCPWire
import Testing

@Suite("Forms of keys and teams")
struct RecordFormTests {
    private static func secrets(in text: String) -> Set<String> { Set(text.matches(of: /pg_[0-9a-f]{48}/).map { String($0.0) }) }

    @Test("F-KEY-04, X-41: a whole key is in the answers that make, clone and rotate it, and in no other one")
    func wholeKeys() async throws {
        try await AdminBench.run { bench in
            let (first, id) = try await bench.createKey(["name": "one"])
            let cloned = Self.secrets(in: try await bench.post("/keys/clone", ["key": .string(id)]).text)
            let rotated = Self.secrets(in: try await bench.post("/keys/rotate", ["key": .string(id)]).text)
            #expect(cloned.count == 1 && rotated.count == 1 && cloned.union(rotated).union([first]).count == 3)
            for path in ["/keys", "/keys?limit=5", "/keys/export", "/keys/export?format=csv", "/audit/export", "/keys/stats"] {
                let answer = try await bench.get(path)
                #expect(answer.status == 200 && Self.secrets(in: answer.text).isEmpty, "\(path): \(answer.text)")
            }
            let found = try await bench.post("/keys/search", ["tags": ["a": "b"]])
            #expect(Self.secrets(in: found.text).isEmpty)
        }
    }

    @Test(
        "F-KEY-14: names are cut at 200 characters and free texts at 500; what names something is refused; members that nobody knows are ignored"
    )
    func lengths() async throws {
        try await AdminBench.run { bench in
            let made = try await bench.post("/keys", ["name": .string(String(repeating: "n", count: 250)), "colour": "red", "Credits": 7])
            #expect(made.json["name"]?.stringValue?.count == 200 && made.json["colour"] == nil && made.json["credits"] != 7, "\(made.text)")
            let id = made.json["id"] ?? .null
            let reason = JSONValue.string(String(repeating: "r", count: 600))
            #expect(try await bench.post("/keys/suspend", ["key": id, "reason": reason, "colour": nil]).status == 200)
            let log = try await bench.get("/audit?types=key.suspended").text
            #expect(log.contains(String(repeating: "r", count: 500)) && !log.contains(String(repeating: "r", count: 501)))
            let alias = JSONValue.string(String(repeating: "a", count: 101))
            #expect(try await bench.post("/keys", ["name": "x", "alias": alias]).status == 400)
        }
    }

    @Test(
        "F-TEAM-03, F-TEAM-05: a team has an id and texts of their lengths, whole numbers, members that are shown masked, and its changes are audited"
    )
    func teams() async throws {
        try await AdminBench.run { bench in
            func make(_ body: JSONValue) async throws -> Answer { try await bench.post("/teams", body) }
            let team = try await make(["name": .string(String(repeating: "t", count: 250)), "budget": 100]).json["team"] ?? .null
            let id = try #require(team["id"]?.stringValue)
            #expect(id.wholeMatch(of: /team_[0-9a-f]{16}/) != nil && team["name"]?.stringValue?.count == 200)
            let long = JSONValue.string(String(repeating: "d", count: 1001))
            for body: JSONValue in [["name": "a", "description": long], ["name": "a", "budget": -1], ["name": "a", "budget": "5"]] {
                #expect(try await make(body).status == 400, "\(body.text.prefix(60))")
            }
            let (secret, key) = try await bench.createKey(["name": "member"])
            #expect(try await bench.post("/teams/assign", ["teamId": .string(id), "key": .string(key)]).status == 200)
            let usage = try await bench.get("/teams/usage?teamId=\(id)").text
            #expect(!usage.contains(secret) && usage.contains(secret.prefix(7) + "..." + secret.suffix(4)), "\(usage)")
            #expect(try await bench.post("/teams/delete", ["id": .string(id), "teamId": .string(id)]).status == 200)
            let types = (try await bench.get("/audit").json["events"]?.arrayValue ?? []).compactMap { $0["type"]?.stringValue }
            #expect(Set(types).isSuperset(of: ["team.created", "team.key_assigned", "team.deleted"]), "\(types)")
        }
    }

    @Test("F-TEAM-01, F-KEY-13: a team, and a key, has 50 tags at most, however many are added at once")
    func tags() async throws {
        try await AdminBench.run { bench in
            let team = try #require(try await bench.post("/teams", ["name": "t"]).json[path: "team.id"])
            let key = try await bench.createKey().id
            for (path, name, id) in [("/teams/update", "teamId", team), ("/keys/tags", "key", .string(key))] {
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for turn in 0..<6 {
                        let tags = JSONObject((0..<10).map { ("t\(turn).\($0)", JSONValue.string("x")) })
                        group.addTask { try await bench.post(path, .object([name: id, "tags": .object(tags)])).status }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(statuses.sorted() == [200, 200, 200, 200, 200, 400], "\(path): \(statuses)")
            }
            let shown = try await bench.get("/teams").json["teams"]?[0]?["tags"]?.objectValue
            #expect(shown?.count == 50)
        }
    }
}
