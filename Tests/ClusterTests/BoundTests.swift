// What callers can make Redis keep, and the work that piles up in it: each has a bound.

import GateTesting
import Glibc
import Testing

extension ClusterTests.LedgerDefectTests {
    @Test("X34: calls to tools with names of a megabyte do not grow what Redis keeps, and /usage answers", arguments: [false, true])
    func longNames(isPaid: Bool) async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            let key = isPaid ? try await cluster[0].createKey() : nil
            let before = try await cluster.redis.dataset
            let name = String(repeating: "n", count: 1_000_000)
            let statuses = try await concurrently(20, workers: 4) { _ in try await cluster[0].call(name, key: key).status }
            #expect(statuses.allSatisfy { $0 < 500 }, "\(Set(statuses))")
            #expect(try await cluster[0].admin("/usage").status == 200)
            let grown = try await cluster.redis.dataset - before
            #expect(grown < 4 << 20, "\(grown >> 20) MB")
        }
    }

    @Test("D17: stored answers of one key take 32 MB at most")
    func storedAnswers() async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            let key = try await cluster[0].createKey(), before = try await cluster.redis.dataset
            let words = await concurrently(50, workers: 4) { turn in
                await cluster[0].attempt("big", ["kilobytes": 900], key: key, headers: [("X-Idempotency-Key", "order-\(turn)")]).word
            }
            #expect(words.allSatisfy { $0 == "served" })
            let grown = try await cluster.redis.dataset - before
            #expect(grown < 36 << 20, "\(grown >> 20) MB")
        }
    }

    @Test("F-MCP-03: beyond 1,000 sessions nothing is kept of those that were forgotten")
    func forgottenSessions() async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            _ = try await concurrently(1500) { _ in try await cluster[0].openSession() }
            let names = try await Int(cluster.redis.command("DBSIZE")) ?? 0
            #expect(names < 1100, "\(names) names in Redis")
        }
    }

    @Test("F26: 1,020 handshakes from 17 addresses do not end a session that a key has opened, in use or not")
    func crowdedOut() async throws {
        try await GateCluster.run(nodes: 1, ["--session-rate-limit", "60", "--trusted-proxies", "127.0.0.1"]) { cluster in
            let key = try await cluster[0].createKey()
            let id = try #require(try await cluster[0].openSession(key: key, from: "10.9.9.9"))
            let isUsed = { try await cluster[0].rpc("ping", [:], key: key, headers: [("Mcp-Session-Id", id)]).status == 200 }
            #expect(try await isUsed())
            let opened = try await concurrently(1020) { turn in try await cluster[0].openSession(from: "10.1.1.\(turn % 17)") }
            #expect(opened.allSatisfy { $0 != nil })
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await isUsed(), "after a second the node asks Redis again")
        }
    }

    @Test("F-RATE-05: the addresses of one IPv6 network of 64 bits share one limit")
    func oneNetwork() async throws {
        try await GateCluster.run(nodes: 1, ["--session-rate-limit", "5", "--trusted-proxies", "127.0.0.1"]) { cluster in
            let opened = try await concurrently(20) { turn in
                try await cluster[0].openSession(from: "2001:db8:1:2:\(turn + 1)::\(turn + 7)")
            }
            #expect(opened.count { $0 != nil } == 5)
            #expect(try await cluster[0].openSession(from: "2001:db8:1:3::1") != nil, "another network")
        }
    }

    @Test("D20, F30: resolving a dead node's hold touches no account that has none open")
    func idleAccounts() async throws {
        try await GateCluster.run(nodes: 2) { cluster in
            let idle = try await concurrently(100) { index in
                let answer = try await cluster[1].order("/keys", ["name": "idle", "credits": 10])
                let key = try #require(answer["key"]?.string)
                #expect(await cluster[index].echo(key: key).isServed)
                return try #require(answer["id"]?.string)
            }
            let key = try await cluster[1].createKey(credits: 100)
            async let call = cluster[0].attempt("slow", ["seconds": 60], key: key)
            try await eventually("the call is admitted", within: .seconds(3)) { try await cluster[1].balance(key).credits == 99 }
            try await eventually("what has called is in the orders of keys", within: .seconds(10)) {
                try await cluster.redis.command("SCARD", "pg:{0}:keys.touched") == "0"
            }
            let monitor = try Program("monitor", ["redis-cli", "-p", "\(cluster.redis.port)", "MONITOR"])
            try await monitor.waitForOutput("OK")
            try await cluster.nodes[0].kill9()
            _ = await call
            try await eventually("the hold is resolved", within: .seconds(10)) { try await cluster[1].balance(key).credits == 100 }
            try await Task.sleep(for: .milliseconds(300))
            try await monitor.kill9()
            // The hourly sums name keys as well; what counts here is their accounts.
            // What has called is looked at once more, to be put into the orders of keys: that is no work of the reaper (order_keys.lua).
            let lines = monitor.log.split(separator: "\n").filter {
                !$0.contains("keys.touched") && !$0.contains(#""calls" "used" "held""#) && !$0.contains(#""counted""#)
            }
            let touched = idle.count { id in lines.contains { $0.contains("account:\(id)") } }
            let line = lines.first { $0.contains("account:\(idle[0])") } ?? ""
            #expect(touched == 0, "\(touched) of 100 idle accounts were touched, as by \(line.prefix(300))")
        }
    }

    @Test("M1, F40: what marks calls as ended is gone some minutes later")
    func marksOfEndedCalls() async throws {
        let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
        try await GateCluster.run(nodes: 2, ["--threads", "1"], proxied: [0], clock: clock) { cluster in
            let key = try await cluster[1].createKey()
            #expect(await cluster[0].echo(key: key).isServed)
            let before = try await cluster.redis.bytesOfState
            try await cluster.proxy(0).set(.replies, .swallowed)
            let lost = Tally(await concurrently(200, workers: 200) { _ in await cluster[0].echo(key: key) })
            #expect(lost.count("HTTP 503") == 200, "\(lost)")
            try await cluster.proxy(0).heal()
            try await eventually("the node serves again", within: .seconds(4)) { await cluster[0].echo(key: key).isServed }
            try await eventually("nothing is open", within: .seconds(5)) {
                let balance = try await cluster[1].balance(key)
                return balance.credits + balance.spent == 1_000_000 && balance.spent == 2
            }
            try clock.step(15 * 60)
            for turn in 0..<20 { #expect(await cluster[turn].echo(key: key).isServed) }
            try await eventually("the marks are gone", within: .seconds(20)) { try await cluster.redis.marks == 0 }
            // A list that was long keeps some of its room for a while.
            try await eventually("so is what they took", within: .seconds(5)) { try await cluster.redis.bytesOfState - before < 6000 }
        }
    }

    @Test("M1: an account that cannot be read fails its own calls and no others")
    func corruptAccount() async throws {
        try await GateCluster.run(nodes: 1, ["--refund-on-failure", "--threads", "1"]) { cluster in
            let broken = try await cluster[0].order("/keys", ["name": "broken", "credits": 100])
            let bad = try #require(broken["key"]?.string), id = try #require(broken["id"]?.string)
            let good = try await cluster[0].createKey(credits: 100)
            #expect(await cluster[0].echo(key: good).isServed)
            cluster.nodes[0].program.signalChildren(SIGSTOP)
            async let failing = cluster[0].attempt("fail", ["kind": "isError"], key: bad)
            try await eventually("it is admitted", within: .seconds(3)) { try await cluster[0].balance(bad).credits == 99 }
            async let others = concurrently(20) { _ in await cluster[0].echo(key: good) }
            try await eventually("all are admitted", within: .seconds(3)) { try await cluster[0].balance(good).credits == 79 }
            try await cluster.redis.alter(
                "hash", containing: id,
                "if redis.call('HEXISTS', key, 'credits') == 1 then redis.call('HSET', key, 'credits', 'garbage', 'spent', 'garbage') end")
            cluster.nodes[0].pause()
            cluster.nodes[0].program.signalChildren(SIGCONT)
            try await Task.sleep(for: .milliseconds(200))
            // All answers lie ready, so that one tick settles them.
            cluster.nodes[0].wake()
            let tally = Tally(await others)
            #expect(tally.served == 20, "\(tally)")
            #expect(await !failing.isServed)
            try await cluster.expectSpent(21, by: good, on: 0)
        }
    }

    @Test("R15: a window whose record is lost refuses its key for no longer than a window")
    func lostWindow() async throws {
        let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
        try await GateCluster.run(nodes: 1, ["--rate-limit", "3"], clock: clock) { cluster in
            let made = try await cluster[0].order("/keys", ["name": "test", "credits": 100])
            let key = try #require(made["key"]?.string), id = try #require(made["id"]?.string)
            for _ in 0..<3 { #expect(await cluster[0].echo(key: key).isServed) }
            #expect(await cluster[0].echo(key: key).word == "rate_limited")
            try await cluster.redis.alter("string", containing: id, "redis.call('DEL', key)")
            try clock.step(61)
            try await eventually("a window later", within: .seconds(2)) { await cluster[0].echo(key: key).isServed }
        }
    }
}

extension RedisServer {
    /// What the lists of the nodes hold beside the word that they are open.
    fileprivate var marks: Int {
        get async throws {
            let count =
                "local n = 0; for _, key in ipairs(redis.call('KEYS', '*open:*')) do n = n + redis.call('HLEN', key) - 1 end; return n"
            return try await Int(command("EVAL", count, "0")) ?? -1
        }
    }

    /// Bytes of everything but the streams of events.
    fileprivate var bytesOfState: Int {
        get async throws {
            let walk =
                "local n = 0; for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('TYPE', key).ok ~= 'stream' then n = n + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0') end end; return n"
            return try await Int(command("EVAL", walk, "0")) ?? 0
        }
    }
}
