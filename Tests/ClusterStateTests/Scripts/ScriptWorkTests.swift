// No script keeps Redis for longer because something has piled up: what each of them calls, and what bounds the calls that could.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import Testing

@Suite("The work of scripts")
struct ScriptWorkTests {
    /// Each takes as long however much there is, or a step more each time that there is ten times as much.
    private static let constant: Set = [
        "EXISTS", "GET", "GETRANGE", "HDEL", "HEXISTS", "HGET", "HINCRBY", "HLEN", "HMGET", "HSET", "INCR", "LLEN", "LSET", "PERSIST",
        "PEXPIRE", "PEXPIREAT", "PTTL", "PUBLISH", "RPUSH", "SADD", "SET", "SETRANGE", "SREM", "TIME", "UNLINK", "XADD", "XDEL", "ZADD",
        "ZCARD", "ZCOUNT", "ZMSCORE", "ZREM", "ZSCORE",
    ]

    /// What the others go through at most.
    private static let bounded: [String: [String: String]] = [
        "acquire_slot": ["ZREMRANGEBYSCORE": "the slots of one holder that have ended; there are as many as it may have"],
        "advance": ["HKEYS": "the hours of 90 days, when a new one begins"],
        "claim": ["DEL": "an answer"],
        "claim_stream": ["DEL": "a word"],
        "edit": ["DEL": "a record"],
        "end_reservation": ["DEL": "an operation"],
        "fence": ["HSCAN": "200 holds"],
        "heartbeat": ["HGETALL": "the nodes"],
        "open_calls": ["HSCAN": "200 holds"],
        "post_news": ["HGETALL": "the lists of the servers that have news"],
        "rank": ["ZRANGE": "one id"],
        "reservation": ["HGETALL": "150 entries of a key"],
        "session": [
            "HGETALL": "what 1,000 sessions have said of themselves", "ZRANGE": "1,000 sessions", "ZRANGEBYSCORE": "100 sessions",
        ],
        "settle": ["DEL": "an idempotent call", "XRANGE": "the one entry of a charge"],
        "subscription": ["HKEYS": "100 subscriptions of a session", "HGETALL": "100 subscriptions of a session"],
        "take_mail": [
            "LRANGE": "the runs that are kept", "XRANGE": "as many messages as are asked for", "LTRIM": "the runs that are kept",
        ],
        "webhook_end": ["LTRIM": "a batch; of dead letters the one above the bound", "DEL": "the state of a batch"],
        "webhook_replay": ["LREM": "1,000 dead letters"],
        "webhook_take": ["LRANGE": "a batch", "DEL": "the state of a batch"],
        "webhook_drop": ["DEL": "the state of a batch"],
    ]

    /// `perform` carries out what it is given, which says of itself how much that is.
    @Test("F26: what a script calls goes through no more because more has piled up; of what could it is known how much that is")
    func calls() throws {
        var met: [String: Set<String>] = [:]
        for script in LuaScript.allCases {
            // The text with what it includes: a fragment's calls are those of every script that has it.
            for call in script.source.matches(of: /redis\.p?call\('([A-Z]+)'/) {
                let verb = String(call.1)
                if Self.constant.contains(verb) { continue }
                let owners = [script.rawValue] + Self.bounded.keys.filter { script.source.contains("-- fragment \($0):") }
                let owner = owners.first { Self.bounded[$0]?[verb] != nil }
                #expect(owner != nil, "\(script.rawValue) calls \(verb): what bounds that?")
                if let owner { met[owner, default: []].insert(verb) }
            }
        }
        #expect(met == Self.bounded.mapValues { Set($0.keys) }, "nothing is said of what is not called")
    }

    @Test(
        "F26, F29: settling 32 holds that a failover has lost occupies Redis for less than 10 ms, and calls the same, whatever has piled up"
    )
    func lostHolds() async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server)
        let caller = try await node.makeKey(credits: 1_000_000)
        let first = try await Self.settleLost(node, server, caller).calls
        let fill = "for i = 1, 2500 do redis.call('XADD', KEYS[1], '*', 'c', '1', 'h', 'h' .. i, 'e', 'x') end return 1"
        for _ in 0..<40 { try await node.send("EVAL", fill, "1", node.keys.usage(caller.shards[0])) }
        var shortest = Int.max
        for _ in 0..<10 {
            let (calls, microseconds) = try await Self.settleLost(node, server, caller)
            #expect(calls == first)
            shortest = min(shortest, microseconds)
        }
        // Of ten times the shortest: a machine that does other things, too, only ever makes it longer.
        #expect(shortest < 10_000, "\(shortest) µs")
        #expect(try await node.credits(caller) == 1_000_000)
    }

    /// - Returns: what the script has called, and how long it has taken.
    private static func settleLost(
        _ node: TestNode, _ server: RedisServer, _ caller: CachedKey
    ) async throws -> (calls: [String], microseconds: Int) {
        let calls = (0..<32).map { _ in TestCall(caller: caller, price: 1) }
        let monitor = Monitor(server.socket)
        try await node.send("CONFIG", "RESETSTAT")
        _ = try await node.store.send(node.command(settling: calls.map { node.settlement($0, until: 1) }))
        let stat = try await server.facts("commandstats")["cmdstat_evalsha"] ?? ""
        try await node.send("ECHO", "that was one of them")
        let lines = monitor.lines(until: "that was one of them").filter(\.isFromScript).compactMap(\.words.first)
        let microseconds = stat.split(separator: ",").first { $0.hasPrefix("usec=") }.flatMap { Int($0.dropFirst(5)) }
        return (lines, try #require(microseconds))
    }
}
