// Second copies that arrive late: requests on a connection that its node has given up, before which newer ones were carried out.

import GateTesting
import Testing

extension ClusterTests.LedgerDefectTests {
    @Test("M1: a late copy of an admission, after its call was settled, takes nothing")
    func lateAdmission() async throws {
        try await GateCluster.run(nodes: 2, ["--price", "10", "--threads", "1"], proxied: [0]) { cluster in
            let proxy = try cluster.proxy(0)
            let key = try await cluster[1].createKey(credits: 100)
            #expect(await cluster[0].echo(key: key).isServed)
            try await proxy.set(.requests, .heldFrom("echo"))
            async let call = cluster[0].echo(key: key)
            try await eventually("the admission is on its way", within: .milliseconds(400), every: .milliseconds(2)) {
                try await proxy.holds("echo")
            }
            try await proxy.strand()
            #expect(await call.isServed, "the copy on the next connection is carried out")
            try await cluster.expectSpent(20, by: key, on: 1)
            try await proxy.deliverStranded()
            let balance = try await cluster[1].balance(key)
            #expect(balance.credits == 80 && balance.spent == 20 && balance.calls == 2, "\(balance)")
        }
    }

    @Test("M1, F30: an admission that arrives when its node was found dead and forgotten takes nothing, or gives it back within 8 s")
    func admissionOfTheForgotten() async throws {
        try await GateCluster.run(nodes: 2, ["--price", "10", "--threads", "1"], proxied: [0]) { cluster in
            let proxy = try cluster.proxy(0)
            let key = try await cluster[1].createKey(credits: 100)
            #expect(await cluster[0].echo(key: key).isServed)
            try await proxy.set(.requests, .heldFrom("echo"))
            async let call = cluster[0].echo(key: key)
            try await eventually("the admission is on its way", within: .milliseconds(400), every: .milliseconds(2)) {
                try await proxy.holds("echo")
            }
            try await cluster.nodes[0].kill9()
            #expect(await call.word == "lost")
            try await eventually("the node is found dead", within: .seconds(8)) { try await cluster[1].metrics().sum("paygate_nodes") == 1 }
            // It is forgotten right after, and nothing says so.
            try await Task.sleep(for: .milliseconds(1200))
            try await proxy.deliverStranded()
            var balance = try await cluster[1].balance(key)
            try await eventually("nothing stays taken", within: .seconds(8)) {
                balance = try await cluster[1].balance(key)
                return balance.credits == 90 && balance.spent == 10
            }
        }
    }

    /// Two orders of an admin, of which the second undoes what the first has done.
    enum LateOrder: String, CaseIterable, CustomTestStringConvertible {
        case resume, spendingLimit
        var testDescription: String { rawValue }

        var first: (path: String, body: [String: JSON], audit: String) {
            switch self {
            case .resume: ("/keys/resume", [:], "key.resumed")
            case .spendingLimit: ("/limits", ["spendingLimit": 1000], "key.limit_updated")
            }
        }
        var second: (path: String, body: [String: JSON]) {
            switch self {
            case .resume: ("/keys/suspend", [:])
            case .spendingLimit: ("/limits", ["spendingLimit": 1])
            }
        }
        var denial: String { self == .resume ? "key_suspended" : "spending_limit_exceeded" }
    }

    @Test("M12, V23: a late copy of an admin's order does not undo a later one", arguments: LateOrder.allCases)
    func lateOrder(_ order: LateOrder) async throws {
        try await GateCluster.run(nodes: 2, ["--threads", "1"], proxied: [0]) { cluster in
            let proxy = try cluster.proxy(0)
            let key = try await cluster[1].createKey(credits: 100)
            #expect(await cluster[0].echo(key: key).isServed)
            if order == .resume { try await cluster[1].order("/keys/suspend", ["key": .string(key)]) }
            let name: [String: JSON] = ["key": .string(key)]
            try await proxy.set(.requests, .heldFrom(order.first.audit))
            async let first = cluster[0].order(order.first.path, .object(name.merging(order.first.body) { $1 }))
            try await eventually("the order is on its way", within: .milliseconds(400), every: .milliseconds(2)) {
                try await proxy.holds(order.first.audit)
            }
            try await proxy.strand()
            _ = try await first
            try await cluster[1].order(order.second.path, .object(name.merging(order.second.body) { $1 }))
            for node in 0...1 { #expect(await cluster[node].echo(key: key).word == order.denial) }
            try await proxy.deliverStranded()
            for node in 0...1 { #expect(await cluster[node].echo(key: key).word == order.denial, "after the late copy, on node \(node)") }
        }
    }

    @Test("V21: a revoked key does not get a stored result, also from a node that has not heard of the revocation")
    func replayForTheRevoked() async throws {
        try await GateCluster.run(nodes: 2, proxied: [0]) { cluster in
            let key = try await cluster[1].createKey(credits: 100), headers: GateClient.Headers = [("X-Idempotency-Key", "order-1")]
            #expect(await cluster[0].echo(key: key, headers: headers).isServed)
            for _ in 0..<8 { #expect(await cluster[0].echo(key: key).isServed, "every event loop knows the key") }
            try await cluster.proxy(0).set(.replies, .held, on: .feeds)
            try await cluster[1].order("/keys/revoke", ["key": .string(key)])
            let replays = await concurrently(8) { _ in await cluster[0].echo(key: key, headers: headers).word }
            #expect(replays.allSatisfy { $0 == "invalid_api_key" }, "\(replays)")
        }
    }

    @Test("V21: a call that is sent after an ACL was acknowledged is not refused by a reading that began before")
    func joinedReading() async throws {
        try await GateCluster.run(nodes: 2, ["--threads", "1"], proxied: [0]) { cluster in
            let proxy = try cluster.proxy(0)
            let key = try await cluster[1].createKey(["deniedTools": ["echo"]])
            #expect(await cluster[0].echo(key: key).word == "tool_denied")
            try await proxy.set(.replies, .heldFrom("echo"), on: .commands)
            async let before = cluster[0].echo(key: key)
            try await eventually("the older reading is on its way", within: .milliseconds(300), every: .milliseconds(2)) {
                try await proxy.holds("echo", .replies)
            }
            try await cluster[1].order("/keys/acl", ["key": .string(key), "deniedTools": []])
            async let after = cluster[0].echo(key: key)
            try await Task.sleep(for: .milliseconds(60))
            try await proxy.set(.replies, .open, on: .commands)
            #expect(await after.isServed, "the call that was sent later")
            _ = await before
        }
    }
}
