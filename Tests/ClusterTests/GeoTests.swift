// From which countries keys call.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Countries")
    struct GeoTests {
        @Test("F-GEO-01 to F-GEO-03: lists of countries bind calls, batches and tool lists on every node, as a trusted proxy says it")
        func trusted() async throws {
            try await GateCluster.run(nodes: 2, ["--trusted-proxies", "127.0.0.1", "--rate-limit", "90"]) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["alias": "k"])
                let set = try await cluster[0].order(
                    "/keys/geo", ["key": "k", "allowedCountries": ["de", "FR", "DE"], "deniedCountries": ["fr"]])
                #expect(
                    set["allowedCountries"] == ["DE", "FR"] && set["deniedCountries"] == ["FR"]
                        && set["keyPrefix"] == .string(key.prefix(10) + "..."))
                func word(_ headers: GateClient.Headers, on node: Int = 1) async -> String {
                    await cluster[node].echo(key: key, headers: headers).word
                }
                #expect(await word([("X-Country", "DE")]) == "served")
                #expect(await word([("x-country", " de ")], on: 0) == "served")
                #expect(await word([("CF-IPCountry", "DE")]) == "served")
                #expect(await word([("X-Country", "FR")]) == "country_denied")
                #expect(await word([("X-Country", "US")]) == "country_not_allowed")
                #expect(await word([("X-Country", "US"), ("CF-IPCountry", "DE")]) == "country_not_allowed", "the first that is there")
                #expect(await word([]) == "country_not_allowed", "nobody has said it")
                #expect(await word([("X-Country", "DE"), ("X-Country", "DE")]) == "HTTP 400", "said twice")
                #expect(await word([("X-Country", "Germany")]) == "country_not_allowed")
                let batch = try await cluster[1].batch([("echo", ["text": "x"])], key: key, headers: [("X-Country", "US")])
                #expect(batch.outcome == .denied("country_not_allowed") && batch.integer("X-RateLimit-Limit") == 90)
                #expect(try await cluster[1].batch([("echo", ["text": "x"])], key: key, headers: [("X-Country", "DE")]).outcome.isServed)
                let events = try await cluster[0].usage(of: key).filter { !$0.isAllowed }
                #expect(events.allSatisfy { $0.json["denyReason"]?.string?.hasPrefix("country_") == true } && events.count == 6)

                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(await word([("X-Country", "US")]) == "country_not_allowed")
                // Only what is given is replaced.
                try await cluster[0].order("/keys/geo", ["key": "k", "allowedCountries": []])
                #expect(await word([("X-Country", "US")]) == "served")
                #expect(await word([]) == "served")
                #expect(await word([("X-Country", "FR")]) == "country_denied")
                #expect(try await cluster[1].admin("/keys/geo?key=k").json["deniedCountries"] == ["FR"])
                #expect(try await cluster[1].admin("/keys").json[0]?["deniedCountries"] == ["FR"])
                let cleared = try await cluster[1].send("DELETE", "/keys/geo?key=k", headers: [("X-Admin-Key", GateClient.adminKey)])
                #expect(cleared.status == 200 && cleared.json["deniedCountries"] == [])
                #expect(await word([("X-Country", "FR")], on: 0) == "served")
                for bad: JSON in [["DEU"], ["D1"], [7], "DE", [""], .array(Array(repeating: "DE", count: 301))] {
                    #expect(try await cluster[0].admin("/keys/geo", ["key": "k", "allowedCountries": bad]).status == 400)
                }
                #expect(try await cluster[0].admin("/keys/geo", ["key": "k"]).status == 400)
            }
        }

        @Test(
            "F-GEO-02, F-GEO-03: nobody but a trusted proxy says where a client is, and the operator's header is the only one that counts")
        func untrusted() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["alias": "k"])
                try await cluster[0].order("/keys/geo", ["key": "k", "allowedCountries": ["DE"]])
                #expect(await cluster[0].echo(key: key, headers: [("X-Country", "DE")]).word == "country_not_allowed")
                try await cluster[0].order("/keys/geo", ["key": "k", "allowedCountries": [], "deniedCountries": ["DE"]])
                #expect(await cluster[0].echo(key: key, headers: [("X-Country", "DE")]).isServed, "not believed either")
            }
            let config: JSON = ["geoCountryHeader": "X-Client-Land"]
            try await GateCluster.run(nodes: 1, ["--trusted-proxies", "127.0.0.1"], config: config) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["alias": "k"])
                try await cluster[0].order("/keys/geo", ["key": "k", "allowedCountries": ["DE"]])
                #expect(await cluster[0].echo(key: key, headers: [("X-Country", "DE")]).word == "country_not_allowed")
                #expect(await cluster[0].echo(key: key, headers: [("x-client-land", "DE"), ("X-Country", "US")]).isServed)
            }
        }
    }
}
