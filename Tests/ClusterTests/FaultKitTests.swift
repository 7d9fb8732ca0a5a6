// The faults of the kit themselves: a test that leans on one proves nothing if the fault does not happen.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Faults of the kit")
    struct FaultKitTests {
        /// Sends one inline command and returns what has come back in all once it ends with `answer`.
        private static func ask(_ connection: RawConnection, _ command: String, _ answer: String) async throws {
            await connection.send(command + "\r\n")
            try await eventually("“\(answer)” is answered", within: .seconds(2)) { connection.text.hasSuffix(answer + "\r\n") }
        }

        @Test("the proxy delays, holds, swallows, resets and refuses, each direction and connection by itself")
        func proxy() async throws {
            let redis = try await RedisServer(), proxy = try await RedisProxy(to: redis.port)
            let first = try await RawConnection(port: proxy.port)
            try await Self.ask(first, "ECHO one", "one")
            let second = try await RawConnection(port: proxy.port)
            try await Self.ask(second, "ECHO two", "two")

            let late = Duration.milliseconds(150).patiently
            try await proxy.set(.replies, .delayed(late), on: .number(0))
            let start = ContinuousClock.now
            try await Self.ask(second, "ECHO prompt", "prompt")
            #expect(ContinuousClock.now - start < late)
            try await Self.ask(first, "ECHO late", "late")
            #expect(ContinuousClock.now - start > late)

            try await proxy.set(.requests, .heldFrom("SET"), on: .number(0))
            await first.send("SET held 1\r\n")
            try await eventually("it is held", within: .seconds(1)) { try await proxy.holds("held") }
            #expect(try await redis.command("EXISTS", "held") == "0")
            try await proxy.set(.requests, .open)
            try await eventually("it arrives", within: .seconds(1)) { try await redis.command("EXISTS", "held") == "1" }

            try await proxy.set(.replies, .swallowed, on: .number(0))
            await first.send("SET lost 1\r\n")
            try await eventually("the request goes through", within: .seconds(1)) { try await redis.command("EXISTS", "lost") == "1" }
            #expect(!first.isEnded)
            try await proxy.heal()
            try await eventually("what has lost bytes is reset", within: .seconds(1)) { first.isEnded }
            try await Self.ask(second, "ECHO well", "well")

            proxy.admitOnly(.from(4))
            for _ in 2..<4 {
                let refused = try? await RawConnection(port: proxy.port)
                try await eventually("it is refused", within: .seconds(1)) { refused?.isEnded ?? true }
            }
            let admitted = try await RawConnection(port: proxy.port)
            try await Self.ask(admitted, "ECHO five", "five")
            try await redis.kill9()
        }

        @Test("requests of a stranded connection reach Redis when they are let go, and their order stays")
        func stranding() async throws {
            let redis = try await RedisServer(), proxy = try await RedisProxy(to: redis.port)
            let node = try await RawConnection(port: proxy.port)
            try await Self.ask(node, "ECHO there", "there")
            try await proxy.set(.requests, .held)
            await node.send("RPUSH list a\r\nRPUSH list b\r\n")
            try await eventually("both are held", within: .seconds(1)) { try await proxy.holds("list b") }
            try await proxy.strand()
            try await eventually("the node's side is reset", within: .seconds(1)) { node.isEnded }
            try await redis.command("RPUSH", "list", "newer")
            try await proxy.deliverStranded()
            #expect(try await redis.command("LRANGE", "list", "0", "-1") == "newer\na\nb")
            try await redis.kill9()
        }

        @Test("an address that has moved: connections that stand stay with the demoted master, new ones reach the promoted replica")
        func promotion() async throws {
            let master = try await RedisServer(), replica = try await RedisServer(), proxy = try await RedisProxy(to: master.port)
            let old = try await RawConnection(port: proxy.port)
            try await Self.ask(old, "SET key 1", "+OK")
            try await replica.follow(master)
            proxy.redirect(to: replica.port)
            try await replica.takeOver(from: master)
            await old.send("SET key 2\r\n")
            try await eventually("the old master refuses", within: .seconds(1)) { old.text.contains("-READONLY") }
            let new = try await RawConnection(port: proxy.port)
            try await Self.ask(new, "GET key", "1")
            try await Self.ask(new, "SET key 2", "+OK")
            try await master.kill9()
            try await replica.kill9()
        }

        @Test("a Redis's clock steps forwards and backwards while it runs")
        func steppingClock() async throws {
            let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
            let redis = try await RedisServer(clock: clock), other = try await RedisServer()
            let seconds: (RedisServer) async throws -> Int = { try await Int($0.command("TIME").prefix { $0.isNumber }) ?? 0 }
            for (step, sum) in [(0, 0), (90, 90), (-210, -120)] {
                try clock.step(step)
                let difference = try await seconds(redis) - seconds(other)
                #expect(abs(difference - sum) <= 1, "\(difference) s after a step of \(step)")
            }
            try await redis.kill9()
            try await other.kill9()
        }
    }
}
