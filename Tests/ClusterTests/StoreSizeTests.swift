// `gate-node store check` and `gate-node store move` on stores of tens of thousands of names: memory, progress, JSON.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Large stores")
    struct StoreSizeTests {
        private static let few = 1000
        private static let many = 20_000
        /// Kilobytes that ten times and more the names may cost: what the allocator and the runtime keep by chance.
        private static let slack = 24_000

        /// Makes keys like the one that a gate has made, each with a secret of its own.
        private static func multiply(_ redis: RedisServer, from first: Int, to last: Int) async throws {
            let script = """
                local id = redis.call('ZRANGE', 'pg:{0}:index:keys', 0, 0)[1]
                for i = \(first), \(last) do
                  local own, secret = string.format('key_%08x%08x', i, i), string.format('%064x', i)
                  redis.call('COPY', 'pg:{0}:record:' .. id, 'pg:{0}:record:' .. own)
                  redis.call('COPY', 'pg:{0}:account:' .. id, 'pg:{0}:account:' .. own)
                  if redis.call('HEXISTS', 'pg:{0}:record:' .. own, 'credential') == 1 then
                    redis.call('HSET', 'pg:{0}:record:' .. own, 'credential', secret)
                  end
                  redis.call('ZADD', 'pg:{0}:index:keys', i, own)
                  redis.call('SADD', 'pg:{0}:credentials:' .. own, secret)
                  redis.call('HSET', 'pg:{0}:credential:' .. secret, 'owner', own, 'kind', 'key')
                end
                """
            for start in stride(from: first, through: last, by: 5000) {
                let part = script.replacing("for i = \(first), \(last) do", with: "for i = \(start), \(min(start + 4999, last)) do")
                try await redis.command("EVAL", part, "0")
            }
        }

        /// Runs a command to its end. - Returns: what it has printed, and the most kilobytes that it has had.
        private static func run(_ name: String, _ arguments: [String]) async throws -> (status: Int32?, text: String, peak: Int) {
            let program = try Program(name, [Repository.binary, "store"] + arguments)
            var peak = 0
            let deadline = ContinuousClock.now + Duration.seconds(120).patiently
            while program.isRunning, ContinuousClock.now < deadline {
                peak = max(peak, program.peakKilobytes)
                try await Task.sleep(for: .milliseconds(10))
            }
            let (status, text) = (program.exitStatus, program.log)
            try await program.kill9()
            return (status, text, peak)
        }

        @Test("A store is checked and moved in memory that does not grow with it, with progress on the way and one line of JSON at its end")
        func flat() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let redis = cluster.redis
                let key = try await cluster[0].createKey(credits: 10)
                #expect(await cluster[0].echo(key: key).isServed)
                #expect(try await cluster.nodes[0].terminate() == 0)
                try await Self.multiply(redis, from: 1, to: Self.few)
                // Those made alike have the account of the first one, and none of its calls on record.
                let small = try await Self.run("check", ["check", redis.url, "--json"])
                #expect(small.status == 0 && small.text.contains("\"keys\":\(Self.few + 1),"), "\(small)")
                let first = try await RedisServer()
                let smallMove = try await Self.run("move", ["move", redis.url, first.url, "--json"])
                #expect(smallMove.status == 0 && smallMove.text.contains("\"moved\":true"), "\(smallMove)")
                try await redis.command("CONFIG", "SET", "min-replicas-to-write", "0")

                try await Self.multiply(redis, from: Self.few + 1, to: Self.many)
                let large = try await Self.run("check", ["check", redis.url, "--json"])
                #expect(large.status == 0 && large.text.contains("\"keys\":\(Self.many + 1),"), "\(large)")
                #expect(large.peak < small.peak + Self.slack, "\(small.peak) KB for \(Self.few) keys, \(large.peak) KB for \(Self.many)")
                let second = try await RedisServer()
                let largeMove = try await Self.run("move", ["move", redis.url, second.url, "--json"])
                #expect(largeMove.status == 0 && largeMove.text.contains("\"compared\":"), "\(largeMove)")
                #expect(
                    largeMove.peak < smallMove.peak + Self.slack,
                    "\(smallMove.peak) KB for \(Self.few) keys, \(largeMove.peak) KB for \(Self.many)")
                // What takes longer than two seconds says how far it has come, beside the line of JSON.
                for (text, word) in [(large.text, "\"clean\":"), (largeMove.text, "\"moved\":")] {
                    let lines = text.split(separator: "\n")
                    #expect(lines.last?.contains(word) == true, "\(text)")
                    #expect(lines.dropLast().allSatisfy { $0.hasPrefix("{\"step\":\"") && $0.contains("\"done\":") }, "\(text)")
                }
                print("check \(small.peak) and \(large.peak) KB, move \(smallMove.peak) and \(largeMove.peak) KB")
                for server in [first, second] { try await server.kill9() }
            }
        }

        @Test(
            "A move says how far it is and how long it will still take, in words and as JSON, also when it is begun again after a kill -9")
        func progress() async throws {
            let names = 12_000
            let target = try await RedisServer()
            let door = try await RedisProxy(to: target.port)
            try await GateCluster.run(nodes: 1) { cluster in
                _ = try await cluster[0].createKey(credits: 10)
                #expect(try await cluster.nodes[0].terminate() == 0)
                try await cluster.redis.command(
                    "EVAL", "for i = 1, \(names) do redis.call('SET', 'pg:{0}:op:fill:' .. i, 'x', 'PX', 3600000) end", "0")
                // A target that is far away makes it last.
                try await door.set(.requests, .delayed(.milliseconds(80)))
                let first = try Program.storeMove(cluster.redis.url, door.url, "--json")
                try await eventually("most of it is copied", within: .seconds(60), every: .milliseconds(100)) {
                    try await Int(target.command("DBSIZE")) ?? 0 > names * 3 / 4
                }
                let last = try #require(first.log.split(separator: "\n").last)
                #expect(last.contains(/^{"step":"copying","done":\d+,"of":\d+,"secondsLeft":\d+}$/), "\(first.log)")
                try await first.kill9()
                let second = try Program.storeMove(cluster.redis.url, door.url)
                for step in ["emptying", "copying"] { try await second.waitForOutput("gate-node: \(step): ", within: .seconds(60)) }
                #expect(
                    second.log.contains(/gate-node: copying: \d+ of about \d+ names, \d+ %, about (\d+ min )?\d+ s left/), "\(second.log)")
                try await door.heal()
                #expect(try await second.waitForExit(within: .seconds(60)) == 0 && second.log.contains("Moved: "), "\(second.log)")
            }
            try await target.kill9()
        }
    }
}
