// One report of each kind, through the real binary: what they say is what the ledger and the record of calls say.

import Foundation
import GateTesting
import Testing

extension ClusterTests {
    @Suite("Reports")
    struct ReportTests {
        /// From a fixed hour on, so that it may strike meanwhile.
        private static let analytics = "/analytics?topN=3&from=" + Date(timeIntervalSinceNow: -7200).ISO8601Format()

        /// A top list, a time series, durations, two periods beside each other, cohorts; and the others that are declared.
        private static let routes = [
            "/admin/tool-revenue", "/admin/request-trends", "/admin/response-time-distribution", analytics,
            "/admin/consumer-retention", "/admin/tool-profitability", "/admin/peak-usage", "/admin/traffic", "/admin/costs",
            "/admin/tool-error-rate", "/admin/error-breakdown", "/admin/denials", "/admin/latency",
        ]

        @Test(
            "M13, F-ANA-01, F-ANA-04: reports agree with the ledger to the credit, on both nodes, with one killed meanwhile, and after a restart of both",
            arguments: [1, 16])
        func exact(_ shards: Int) async throws {
            let flags = ["--price", "3", "--tool-price", "add:5", "--redis-shards", "\(shards)"]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let keys = try await concurrently(5) {
                    try await cluster[$0].createKey(credits: $0 == 4 ? 1 : 150, ["name": .string("key \($0)")])
                }
                let idle = try await cluster[0].createKey(credits: 7)
                let gone = try await cluster[1].createKey(credits: 7)
                try await cluster[1].order("/keys/revoke", ["key": .string(gone)])
                @Sendable func call(_ number: Int) async -> CallOutcome {
                    let (client, key) = (cluster[number], keys[number % 5])
                    return number % 3 == 0 ? await client.attempt("add", ["a": 1, "b": 1], key: key) : await client.echo(key: key)
                }
                let outcomes = try await underLoad(workers: 4, { await call($0) }) {
                    try await Task.sleep(for: .milliseconds(300))
                    try await cluster.nodes[1].kill9()
                    try await cluster.nodes[1].restart()
                }
                let rest = await concurrently(200, workers: 8) { await call($0) }
                #expect(Tally(outcomes + rest).count("insufficient_credits") > 0)
                let ledger = try await Self.atRest(cluster, keys + [idle])
                for client in cluster.clients { try await Self.check(client, ledger) }
                let before = try await Self.all(cluster[0])
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                for client in cluster.clients {
                    try await Self.check(client, ledger)
                    let after = try await Self.all(client)
                    for (route, pair) in zip(Self.routes, zip(before, after)) {
                        #expect(pair.0.withoutTime == pair.1.withoutTime, "\(route)")
                    }
                }
            }
        }

        @Test("F-ANA-01: a report tells which hours it has counted, and its sums are exactly the calls of that time")
        func edges() async throws {
            try await GateCluster.run(nodes: 2, ["--price", "3"]) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                for node in 0..<4 { #expect(await cluster[node].echo(key: key).isServed) }
                let asked = Date(timeIntervalSinceNow: -1)
                let (since, late) = (asked.ISO8601Format(), asked.addingTimeInterval(60).ISO8601Format())
                for (node, path) in ["/admin/costs?since=\(since)", "/analytics?from=\(since)&to=\(late)"].enumerated() {
                    try await eventually("\(path) says what the record of calls does of its time", within: .seconds(30)) {
                        let report = try await cluster[node].report(path)
                        let (from, to) = (report["from"]?.string ?? "", report["to"]?.string ?? "")
                        let usage = try await cluster[node].usage().filter { event in
                            let time = event.json["timestamp"]?.string ?? ""
                            return from <= time && time < to
                        }
                        #expect(from.hasSuffix(":00:00.000Z") && from <= since && to >= since)
                        let (calls, credits) = (report["summary"]?["totalCalls"], report["summary"]?["totalCredits"])
                        return calls == .int(usage.count) && credits == .int(usage.credits) && !usage.isEmpty
                    }
                }
            }
        }

        /// What the ledger and the record of calls say when nothing moves any more.
        private struct Ledger {
            var spent = 0
            var byTool: [String: (calls: Int, credits: Int, denied: Int)] = [:]
            var allowed = 0
            var denied = 0
            var timed = 0
            var used = 0
            var keys = 0
        }

        /// Waits until each report's sums have come up with the record of calls.
        private static func atRest(_ cluster: GateCluster, _ keys: [String]) async throws -> Ledger {
            var ledger = Ledger()
            try await eventually("the sums have come up with the ledger", within: .seconds(30), every: .milliseconds(200)) {
                let balances = try await concurrently(keys.count) { try await cluster[$0].balance(keys[$0]) }
                let events = try await cluster[0].usage()
                ledger = Ledger()
                ledger.spent = balances.reduce(0) { $0 + $1.spent }
                ledger.used = balances.count { $0.calls > 0 }
                ledger.keys = keys.count
                for event in events {
                    var tool = ledger.byTool[event.tool ?? ""] ?? (0, 0, 0)
                    tool = (tool.calls + 1, tool.credits + event.credits, tool.denied + (event.isAllowed ? 0 : 1))
                    ledger.byTool[event.tool ?? ""] = tool
                    ledger.allowed += event.isAllowed ? 1 : 0
                    ledger.denied += event.isAllowed ? 0 : 1
                    ledger.timed += event.isAllowed && !event.isUnknown ? 1 : 0
                }
                guard events.credits == ledger.spent else { return false }
                for client in cluster.clients {
                    let trends = try await client.report("/admin/request-trends")["summary"]
                    guard trends?["totalRequests"] == .int(events.count), trends?["totalCredits"] == .int(ledger.spent) else {
                        return false
                    }
                }
                return true
            }
            return ledger
        }

        private static func all(_ client: GateClient) async throws -> [JSON] {
            var answers: [JSON] = []
            for route in routes { answers.append(try await client.report(route)) }
            return answers
        }

        private static func check(_ client: GateClient, _ ledger: Ledger) async throws {
            let revenue = try await client.report("/admin/tool-revenue")
            #expect(revenue["summary"]?["totalRevenue"] == .int(ledger.spent), "\(revenue)")
            for tool in revenue["tools"]?.array ?? [] {
                let known = try #require(ledger.byTool[tool["tool"]?.string ?? ""])
                #expect(tool["totalCredits"] == .int(known.credits) && tool["callCount"] == .int(known.calls - known.denied), "\(tool)")
            }
            let trends = try await client.report("/admin/request-trends")
            let hours = trends["hourly"]?.array ?? []
            #expect(hours.sum("credits") == ledger.spent && hours.sum("allowed") == ledger.allowed && hours.sum("denied") == ledger.denied)
            let times = try await client.report("/admin/response-time-distribution")
            #expect(
                (times["buckets"]?.array ?? []).sum("count") == ledger.timed && times["summary"]?["totalRequests"] == .int(ledger.timed))
            let ranks = ["p50", "p95", "p99"].compactMap { times["summary"]?[$0]?.int }
            #expect(ranks.count == 3 && ranks == ranks.sorted())
            let analytics = try await client.report(Self.analytics)
            #expect((analytics["timeSeries"]?.array ?? []).sum("credits") == ledger.spent)
            #expect(analytics["trend"]?["current"]?["credits"] == .int(ledger.spent), "\(analytics)")
            #expect(analytics["trend"]?["previous"]?["calls"] == 0 && analytics["trend"]?["change"]?["calls"] == JSON.null)
            #expect(analytics["toolBreakdown"] == analytics["tools"] && analytics["topConsumers"]?.array?.count == 3)
            let names = (analytics["topConsumers"]?.array ?? []).compactMap { $0["keyName"]?.string }
            #expect(names.allSatisfy { $0.hasPrefix("key ") } && !names.contains("key 4"), "\(names)")
            let cohorts = try await client.report("/admin/consumer-retention")
            #expect(cohorts["summary"]?["totalKeys"] == .int(ledger.keys) && cohorts["summary"]?["retainedKeys"] == .int(ledger.used))
            #expect((cohorts["cohorts"]?.array ?? []).sum("created") == ledger.keys, "the revoked key does not count")
            let denials = try await client.report("/admin/denials")
            #expect(denials["byReason"] == ["insufficient_credits": .int(ledger.denied)])
            #expect((denials["perKey"]?.array ?? []).sum("denials") == ledger.denied)
            let costs = try await client.report("/admin/costs")
            #expect((costs["topSpenders"]?.array ?? []).sum("credits") == ledger.spent)
            #expect((costs["perNamespace"]?.array ?? []).sum("credits") == ledger.spent)
        }

        @Test("F-ANA-05: percentiles and bands tell quick calls from slow ones, on a node that did not serve them")
        func durations() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let key = try await cluster[0].createKey()
                for _ in 0..<17 { #expect(await cluster[0].echo(key: key).isServed) }
                _ = await concurrently(3) { _ in
                    #expect(await cluster[0].attempt("slow", ["seconds": 2], key: key).isServed)
                }
                try await eventually("all calls are counted", within: .seconds(15), every: .milliseconds(200)) {
                    try await cluster[1].report("/admin/response-time-distribution")["summary"]?["totalRequests"] == 20
                }
                let times = try await cluster[1].report("/admin/response-time-distribution")
                #expect(times["buckets"]?[5]?["range"] == "1001ms+" && times["buckets"]?[5]?["count"]?.int ?? 0 >= 3, "\(times)")
                #expect(times["summary"]?["p95"]?.int ?? 0 >= 2000 && times["summary"]?["p50"]?.int ?? 5000 < 2000)
                let latency = try await cluster[1].report("/admin/latency")
                #expect(latency["slowestTools"]?[0]?["tool"] == "slow" && latency["byTool"]?[0]?["minDurationMs"]?.int ?? 0 >= 2000)
                #expect(latency["byKey"]?.array?.count == 1 && latency["summary"]?["totalCalls"] == 20)
            }
        }
    }
}

extension GateClient {
    fileprivate func report(_ path: String) async throws -> JSON {
        let response = try await admin(path)
        guard response.status == 200 else { throw KitFailure("GET \(path): \(response.status) \(response.text)") }
        return response.json
    }
}

extension JSON {
    /// Without what says when it was made.
    fileprivate var withoutTime: JSON {
        guard case .object(var members) = self else { return self }
        for name in ["generatedAt", "asOf", "from", "to"] { members[name] = nil }
        // The hour may have struck, which adds a line of zeros.
        if let series = members["timeSeries"]?.array {
            members["timeSeries"] = .array(series.filter { $0["calls"] != 0 }.map(\.withoutEnd))
        }
        return .object(members)
    }

    private var withoutEnd: JSON {
        guard case .object(var members) = self else { return self }
        members["end"] = nil
        return .object(members)
    }
}

extension [JSON] {
    fileprivate func sum(_ member: String) -> Int { reduce(0) { $0 + ($1[member]?.int ?? 0) } }
}
