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
                for (text, verb) in [(large.text, "read"), (largeMove.text, "copied")] {
                    let lines = text.split(separator: "\n")
                    #expect(lines.last?.hasPrefix("{") == true && lines.dropLast().allSatisfy { $0.contains(" names \(verb)") }, "\(text)")
                }
                print("check \(small.peak) and \(large.peak) KB, move \(smallMove.peak) and \(largeMove.peak) KB")
                for server in [first, second] { try await server.kill9() }
            }
        }
    }
}
