// One connection under every fault: replies stay with their commands, and callers hear exactly once.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import NIOCore
import Testing

@Suite("The link to Redis", .serialized)
struct RedisLinkTests {
    /// What a flood of echoes came to.
    private struct Tally {
        var answered = 0
        var shifted = 0
        var unknown = 0
        var unavailable = 0
        var faults: [String] = []

        mutating func add(_ expected: String, _ result: Result<RedisReply, StoreFailure>) {
            switch result {
            case .success(let reply):
                answered += 1
                if reply.string != expected { shifted += 1 }
            case .failure(.unknown), .failure(.lost): unknown += 1
            case .failure(.unavailable): unavailable += 1
            case .failure(.fault(let text)): faults.append(text)
            }
        }
    }

    /// Sends so many echoes from one tick.
    private static func echo(_ count: Int, from node: TestNode, marker: Int) async -> Tally {
        await withTaskGroup(of: (String, Result<RedisReply, StoreFailure>).self) { group in
            for index in 0..<count {
                let text = "\(marker)-\(index)"
                group.addTask {
                    do throws(StoreFailure) { return (text, .success(try await node.store.send(RedisCommand("ECHO", text)))) } catch {
                        return (text, .failure(error))
                    }
                }
            }
            return await group.reduce(into: Tally()) { $0.add($1.0, $1.1) }
        }
    }

    @Test("Commands of one tick leave in one write and are answered in order")
    func pipelining() async throws {
        let node = try await TestNode()
        let (order, writes) = try await node.loop.flatSubmit {
            let link = node.link.value
            let (before, promise) = (link.meter.writes, node.loop.makePromise(of: ([String?], Int).self))
            var order: [String?] = []
            for index in 0..<500 {
                link.send(RedisCommand("ECHO", String(index))) { result in
                    order.append((try? result.get())?.string)
                    if order.count == 500 { promise.succeed((order, link.meter.writes - before)) }
                }
            }
            return promise.futureResult
        }.get()
        #expect(order == (0..<500).map(String.init))
        #expect(writes == 1)
    }

    @Test("Any bytes come back as they were sent")
    func binary() async throws {
        let node = try await TestNode()
        let bytes = (0..<2000).map { UInt8(truncatingIfNeeded: $0) }
        var command = RedisCommand("ECHO")
        command.append(bytes)
        #expect(try await node.store.send(command) == .bytes(bytes))
        #expect(try await node.send("ECHO", "") == .bytes([]))
    }

    @Test("A refused command is a fault of ours, and the next one is carried out")
    func fault() async throws {
        let node = try await TestNode()
        await #expect(throws: StoreFailure.self) { try await node.store.send(RedisCommand("NOSUCHCOMMAND")) }
        #expect(await Self.echo(10, from: node, marker: 1).answered == 10)
    }

    @Test("A Redis that forgets its scripts fails no call (F27)")
    func scriptFlush() async throws {
        let server = try await RedisServer(.everysec)
        let (node, other) = (try await TestNode(on: server), try await TestNode(on: server))
        let caller = try await node.makeKey(credits: 1000)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<400 {
                if index % 40 == 0 { group.addTask { (try? await other.send("SCRIPT", "FLUSH")) != nil } }
                group.addTask {
                    let call = TestCall(caller: caller)
                    guard await node.admit(call).isAdmitted else { return false }
                    return await node.settle(call).charged == 1
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.allSatisfy { $0 })
        #expect(try await node.account(caller).spent == 400)
    }

    @Test("A connection that is killed is replaced within a second; no call fails, and each is applied once (F27, F28)")
    func clientKill() async throws {
        let server = try await RedisServer(.everysec)
        let (node, other) = (try await TestNode(on: server), try await TestNode(on: server))
        let caller = try await node.makeKey(credits: 100_000)
        let settled = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for _ in 0..<8 {
                    try? await Task.sleep(for: .milliseconds(25))
                    _ = try? await other.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                    // What was lost is sent again; whose every copy is killed has no answer in time.
                    _ = try? await node.store.sendPatiently(RedisCommand("PING"))
                }
                return true
            }
            for worker in 0..<20 {
                group.addTask {
                    var succeeded = true
                    for round in 0..<20 {
                        let call = TestCall(caller: caller, price: 1 + (worker + round) % 3)
                        let isAdmitted = await node.admit(call).isAdmitted
                        let charged = isAdmitted ? await node.settle(call).charged : nil
                        succeeded = succeeded && charged == call.price
                    }
                    return succeeded
                }
            }
            return await group.reduce(true) { $0 && $1 }
        }
        #expect(settled)
        let expected = (0..<20).reduce(0) { sum, worker in (0..<20).reduce(sum) { $0 + 1 + (worker + $1) % 3 } }
        #expect(try await node.account(caller).spent == expected)
        #expect(try await node.openHolds() == 0)
        #expect(try await node.events().count == 400)
    }

    @Test("A Redis that stands still: unknown within 600 ms, then refused at once, and back by itself without a shifted reply (F25, F28)")
    func standstill() async throws {
        let server = try await RedisServer(.everysec)
        let node = try await TestNode(on: server)
        server.pause()
        let start = ContinuousClock.now
        let stuck = await Self.echo(200, from: node, marker: 1)
        #expect(stuck.unknown == 200)
        #expect(ContinuousClock.now - start < .milliseconds(900).patiently, "500 ms and a tick, and room for a busy machine")
        let refusedAt = ContinuousClock.now
        #expect(await Self.echo(200, from: node, marker: 2).unavailable == 200)
        #expect(ContinuousClock.now - refusedAt < .milliseconds(450).patiently)
        server.resume()
        try await eventually(within: .seconds(2)) { await node.store.isReachable }
        let after = await Self.echo(500, from: node, marker: 3)
        #expect(after.answered == 500 && after.shifted == 0)
    }

    @Test("A standstill that outlasts the connection ends by itself as well (F25)")
    func longStandstill() async throws {
        let server = try await RedisServer(.everysec)
        let node = try await TestNode(on: server)
        let caller = try await node.makeKey(credits: 10)
        server.pause()
        let call = TestCall(caller: caller, price: 4)
        #expect(await node.admit(call).word == "failed unknown")
        await node.giveUp(call)
        try await eventually { try await node.loop.submit { node.link.value.channel == nil || node.link.value.waiters.count > 2 }.get() }
        server.resume()
        try await eventually(within: .seconds(3)) { await node.store.isReachable }
        let after = await Self.echo(200, from: node, marker: 3)
        #expect(after.answered == 200 && after.shifted == 0)
        try await node.drain()
        #expect(try await node.credits(caller) == 10)
    }

    @Test("A Redis that is gone: refused at once, and back by itself when it is (F25)")
    func restart() async throws {
        let server = try await RedisServer(.everysec)
        let node = try await TestNode(on: server)
        try await server.kill9()
        let start = ContinuousClock.now
        #expect(await Self.echo(50, from: node, marker: 1).answered == 0)
        #expect(ContinuousClock.now - start < .milliseconds(900).patiently)
        try await eventually {
            let start = ContinuousClock.now
            return await Self.echo(1, from: node, marker: 2).unavailable == 1 && ContinuousClock.now - start < .milliseconds(50)
        }
        try await server.restart()
        try await eventually(within: .seconds(3)) { await node.store.isReachable }
        let after = await Self.echo(200, from: node, marker: 3)
        #expect(after.answered == 200 && after.shifted == 0)
    }

    @Test("What is to be said once is written once: a denial's note may be lost with its connection, and is never there twice (M13)")
    func once() async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server)
        let caller = try await node.makeKey(credits: 1)
        let note = EventLog.note(TestCall(caller: caller).event(.denied), keys: node.keys)
        server.pause()
        async let noted: Result<RedisReply, StoreFailure> = node.result(of: note)
        async let asked: Result<RedisReply, StoreFailure> = node.result(of: RedisCommand("ECHO", "again"))
        try await eventually { try await node.loop.submit { node.link.value.waiters.count == 2 }.get() }
        // What is written lies with the server, which reads it when it goes on.
        try await node.loop.flatSubmit { node.link.value.channel?.close() ?? node.loop.makeSucceededVoidFuture() }.get()
        server.resume()
        #expect(await asked == .success(.bytes(Array("again".utf8))))
        #expect(await noted == .failure(.lost))
        #expect(try await node.send("XLEN", node.keys.denials(0)).integer ?? 2 <= 1)
    }

    @Test("A link that is stopped answers everybody who waits")
    func stop() async throws {
        let server = try await RedisServer(.everysec)
        let node = try await TestNode(on: server)
        server.pause()
        async let waiting = Self.echo(20, from: node, marker: 1)
        try await eventually { try await node.loop.submit { node.link.value.waiters.count == 20 }.get() }
        await node.store.stop()
        #expect(await waiting.unknown == 20)
        #expect(await Self.echo(1, from: node, marker: 2).unavailable == 1)
    }
}
