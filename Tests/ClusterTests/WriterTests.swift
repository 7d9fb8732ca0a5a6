// Many writers of one record at once, on two nodes: each one's change is there afterwards, on both, and after both were killed.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Writers")
    struct WriterTests {
        /// A record, the route that changes it, and a value for each of its fields.
        private struct Subject: Sendable {
            let path: String
            /// Finds the record.
            let id: [String: JSON]
            /// What each field is changed to. All are sent at once, each in a request of its own.
            let values: [String: JSON]
            /// Reads the record.
            let read: @Sendable (GateClient) async throws -> JSON?
        }

        @Test(
            "V21, V22: of writers of one record that write at once on two nodes, for every field that its route documents, none is lost, also after a restart"
        )
        func records() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"]) { cluster in
                let subjects = try await Self.subjects(cluster[0])
                let document = try await cluster[0].get("/openapi.json").json["paths"]
                for subject in subjects {
                    let body = document?[subject.path]?["post"]?["requestBody"]?["content"]?["application/json"]?["schema"]
                    let documented = Set((body?["properties"]?.object ?? [:]).keys).subtracting(subject.id.keys)
                    #expect(documented == Set(subject.values.keys), "\(subject.path): a value for each documented field")
                    let writers = subject.values.sorted { $0.key < $1.key }
                    let statuses = try await concurrently(writers.count * 3, workers: 6) { turn in
                        let writer = writers[turn % writers.count]
                        return try await cluster[turn].admin(subject.path, .object(subject.id.merging([writer.key: writer.value]) { $1 }))
                            .status
                    }
                    #expect(Set(statuses) == [200], "\(subject.path): \(statuses)")
                }
                for round in 0..<2 {
                    for (node, subject) in subjects.enumerated() {
                        let record = try #require(try await subject.read(cluster[node + round]))
                        for (name, value) in subject.values where name != "secret" {
                            #expect(record[name] == value, "\(subject.path) \(name): \(record.text)")
                        }
                    }
                    if round == 0 { try await cluster.startAgain() }
                }
            }
        }

        private static func subjects(_ gate: GateClient) async throws -> [Subject] {
            let quota: JSON = ["dailyCallLimit": 1, "monthlyCallLimit": 2, "dailyCreditLimit": 3, "monthlyCreditLimit": 4]
            let team = try #require(try await gate.order("/teams", ["name": "before"])["team"]?["id"])
            let filter = try #require(try await gate.order("/webhooks/filters", ["events": ["*"], "url": "https://1.1.1.1/"])["id"])
            try await gate.order("/keys/templates", ["name": "one"])
            return [
                Subject(
                    path: "/teams/update", id: ["teamId": team],
                    values: ["name": "after", "description": "new", "budget": 7, "quota": quota, "tags": ["a": "b"]]
                ) { try await $0.admin("/teams").json["teams"]?[0] },
                Subject(
                    path: "/webhooks/filters/update", id: ["id": filter],
                    values: [
                        "name": "after", "events": ["usage"], "url": "https://1.0.0.1/", "secret": "s", "keyPrefixes": ["pg_0"],
                        "active": false,
                    ]
                ) { try await $0.admin("/webhooks/filters").json["filters"]?[0] },
                Subject(
                    path: "/keys/templates", id: ["name": "one"],
                    values: [
                        "description": "new", "credits": 8, "allowedTools": ["a"], "deniedTools": ["b"], "quota": quota,
                        "ipAllowlist": ["10.0.0.1"], "spendingLimit": 9, "tags": ["a": "b"], "namespace": "team", "expiryTtlSeconds": 60,
                        "autoTopup": ["threshold": 1, "amount": 2, "maxDaily": 3],
                    ]
                ) { try await $0.admin("/keys/templates").json["templates"]?[0] },
            ]
        }

        @Test(
            "V21, V22: orders for one key that are given at once on two nodes, one of every route that changes a key, all hold, also after a restart"
        )
        func key() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"]) { cluster in
                let secret = try await cluster[0].createKey(credits: 100)
                let team = try #require(try await cluster[0].order("/teams", ["name": "t"])["team"]?["id"])
                let orders = Self.orders(team: team)
                let document = try await cluster[0].get("/openapi.json").json["paths"]?.object ?? [:]
                let setters = document.filter { path, methods in
                    let body = methods["post"]?["requestBody"]?["content"]?["application/json"]?["schema"]
                    return body?["required"]?.array?.contains("key") == true
                }
                #expect(
                    Set(setters.keys).subtracting(orders.map(\.path)).subtracting(Self.others).sorted() == [], "an order for each route")
                let statuses = try await concurrently(orders.count, workers: 6) { turn -> String? in
                    let (path, body) = orders[turn]
                    let answer = try await cluster[turn].admin(path, .object(body.merging(["key": .string(secret)]) { $1 }))
                    return (200..<300).contains(answer.status) ? nil : "\(path): \(answer.status) \(answer.text)"
                }
                #expect(statuses.compactMap(\.self) == [])
                for round in 0..<2 {
                    for gate in cluster.clients {
                        let key = try #require(try await gate.admin("/keys").json[0])
                        let tags = Dictionary(uniqueKeysWithValues: (0..<20).map { ("tag\($0)", JSON.string("x")) })
                        #expect(key["tags"] == .object(tags) && key["notes"]?.array?.count == 20, "\(key.text)")
                        #expect(key["credits"] == 120 && key["spendingLimit"] == 50 && key["alias"] == "both" && key["teamId"] == team)
                        #expect(key["allowedTools"] == ["a"] && key["deniedTools"] == ["b"] && key["ipAllowlist"]?.array?.count == 1)
                        #expect(key["allowedCountries"] == ["DE"] && key["deniedCountries"] == ["FR"])
                        #expect(key["quota"]?["dailyCallLimit"] == 5 && key["autoTopup"]?["amount"] == 2, "\(key.text)")
                        #expect(key["expiresAt"] == "2100-01-01T00:00:00.000Z" && key["suspended"] == true)
                        #expect(try await gate.admin("/keys/schedule").json["count"] == 1)
                    }
                    if round == 0 { try await cluster.startAgain() }
                }
            }
        }

        /// Routes with a `key` that make something else, or that undo what another does.
        private static let others: Set<String> = [
            "/keys/revoke", "/admin/keys/revoke", "/keys/rotate", "/keys/clone", "/keys/resume", "/tokens", "/keys/reserve",
        ]

        private typealias Order = (path: String, body: [String: JSON])

        private static func orders(team: JSON) -> [Order] {
            var orders: [Order] = [
                ("/limits", ["spendingLimit": 50]), ("/keys/alias", ["alias": "both"]), ("/teams/assign", ["teamId": team]),
                ("/keys/acl", ["allowedTools": ["a"]]), ("/keys/acl", ["deniedTools": ["b"]]), ("/keys/ip", ["ips": ["10.0.0.1"]]),
                ("/keys/geo", ["allowedCountries": ["DE"]]), ("/keys/geo", ["deniedCountries": ["FR"]]),
                ("/keys/quota", ["dailyCallLimit": 5]), ("/keys/auto-topup", ["threshold": 1, "amount": 2]),
                ("/keys/expiry", ["expiresAt": "2100-01-01T00:00:00Z"]), ("/keys/suspend", [:]),
                ("/keys/schedule", ["action": "revoke", "executeAt": "2100-01-01T00:00:00Z"]),
                ("/keys/webhook", ["webhookUrl": "https://1.1.1.1/"]),
            ]
            for turn in 0..<20 {
                orders.append(("/topup", ["credits": 1]))
                orders.append(("/keys/notes", ["text": .string("note \(turn)")]))
                orders.append(("/keys/tags", ["tags": ["tag\(turn)": "x"]]))
            }
            return orders
        }

        @Test("M12: filters, deleted teams, bulks, imports, addresses and expiring keys are after the kill -9 of all nodes what they were")
        func restarts() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"]) { cluster in
                let (a, b) = (cluster[0], cluster[1])
                var filters: [JSON] = []
                for name in ["kept", "changed", "gone"] {
                    let body: JSON = [
                        "name": .string(name), "events": ["usage"], "url": "https://1.1.1.1/", "secret": "s", "keyPrefixes": ["pg_"],
                    ]
                    filters.append(try #require(try await a.order("/webhooks/filters", body)["id"]))
                }
                try await b.order("/webhooks/filters/update", ["id": filters[1], "events": ["*"], "active": false, "secret": nil])
                try await b.order("/webhooks/filters/delete", ["id": filters[2]])
                let teams = try await concurrently(2) { turn -> JSON in
                    try #require(try await a.order("/teams", ["name": .string("team \(turn)")])["team"]?["id"])
                }
                let member = try await a.createKey(credits: 50, ["name": "member", "ipAllowlist": ["10.0.0.0/8"]])
                try await a.order("/teams/assign", ["teamId": teams[1], "key": .string(member)])
                try await b.order("/teams/delete", ["teamId": teams[1]])
                let bulk = try await a.order(
                    "/keys/bulk",
                    [
                        "operations": [
                            ["action": "create", "name": "made", "credits": 5, "deniedTools": ["add"]],
                            ["action": "topup", "key": .string(member), "credits": 7], ["action": "suspend", "key": .string(member)],
                        ]
                    ])
                #expect(bulk["succeeded"] == 3, "\(bulk.text)")
                let made = try #require(bulk["results"]?[0]?["result"]?["key"]?.string)
                let imported = "pg_" + String(repeating: "7", count: 48)
                let rows: JSON = ["keys": [["key": .string(imported), "name": "imported", "credits": 9, "deniedTools": ["echo"]]]]
                #expect(try await b.order("/keys/import", rows)["imported"] == 1)
                let soon = try await b.createKey(credits: 5, ["name": "soon", "expiresIn": 3600])
                let fixed = try await a.createKey(credits: 5, ["name": "fixed"])
                try await b.order("/keys/ip", ["key": .string(fixed), "ips": ["10.1.0.0/16"]])

                @Sendable func state(_ gate: GateClient) async throws -> [JSON] {
                    var pages: [JSON] = []
                    for path in ["/webhooks/filters", "/teams", "/keys", "/keys/expiring?within=7200"] {
                        pages.append(try await gate.admin(path).json.withoutReadings)
                    }
                    return pages
                }
                let before = try await state(a)
                #expect(before[0]["count"] == 2 && before[1]["count"] == 1 && before[2].array?.count == 5 && before[3]["count"] == 1)
                try await cluster.startAgain()
                for gate in cluster.clients { #expect(try await state(gate) == before) }
                for gate in cluster.clients {
                    #expect(await gate.attempt("add", ["a": 1, "b": 1], key: made).word == "tool_denied")
                    #expect(await gate.echo(key: imported).word == "tool_denied")
                    #expect(await gate.echo(key: fixed).word == "ip_not_allowed")
                    #expect(await gate.echo(key: member).word == "key_suspended")
                    #expect(await gate.echo(key: soon).isServed)
                    #expect(try await gate.admin("/teams/update", ["teamId": teams[1], "budget": 1]).status == 404)
                    #expect(try await gate.admin("/webhooks/filters/update", ["id": filters[2], "active": true]).status == 404)
                    #expect(try await gate.order("/keys/import", rows)["skipped"] == 1)
                }
            }
        }
    }
}

extension GateCluster {
    /// Kills all nodes, and starts them again.
    fileprivate func startAgain() async throws {
        for node in nodes { try await node.kill9() }
        for node in nodes { try await node.restart() }
    }
}

extension JSON {
    /// Without what tells the moment of reading.
    fileprivate var withoutReadings: JSON {
        switch self {
        case .array(let elements): .array(elements.map(\.withoutReadings))
        case .object(let members):
            .object(members.filter { !["remainingSeconds", "remainingHuman"].contains($0.key) }.mapValues(\.withoutReadings))
        default: self
        }
    }
}
