// The queues of webhooks as Redis keeps them: one step each, bounded, and in nobody's way.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Queues of webhooks")
struct WebhookQueueTests {
    private static let gate: [(name: String, kind: WebhookSinkKind)] = [("default", .gate)]

    @Test("W41: a page goes into the queues once, whoever reads it, and nothing is skipped", arguments: [1, 4])
    func once(_ shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let queue = WebhookQueue(store: node.store)
        let caller = try await node.makeKey(credits: 1000)
        try await queue.prepare()
        for _ in 0..<5 { try await node.charge(caller, 3) }
        let shard = caller.shards[0]
        let (first, second) = (try await queue.read(shard), try await queue.read(shard))
        #expect(first.occurrences.count == 5 && !first.isFull)
        #expect(Set(first.occurrences.map(\.id)).count == 5 && first.occurrences.map(\.id) == second.occurrences.map(\.id))
        for page in [first, second, first] { try await queue.spool(all: page) }
        #expect(try await queue.figures()["waiting"] == 5)
        #expect(try await queue.read(shard).isEmpty)
        try await node.charge(caller, 3)
        let next = try await queue.read(shard)
        #expect(next.occurrences.count == 1)
        try await queue.spool(all: next)
        let batch = try #require(try await queue.take("default"))
        #expect(batch.events.count == 6 && batch.attempts == 0)
        #expect(batch.events.first == Array((first.occurrences.first?.id ?? "").utf8))
    }

    @Test("W41: what a charge was told as is corrected once it was told, and only then", arguments: [true, false])
    func corrected(_ wasTold: Bool) async throws {
        let node = try await TestNode()
        let queue = WebhookQueue(store: node.store)
        try await queue.prepare()
        let caller = try await node.makeKey(credits: 1000)
        let call = TestCall(caller: caller, price: 7)
        #expect(await node.admit(call).isAdmitted)
        #expect(await node.settle(call).charged == 7)
        var sum = 0
        if wasTold {
            let page = try await queue.read(0)
            sum += page.credits
            try await queue.spool(all: page)
            #expect(sum == 7)
        }
        #expect(await node.release(call).charged == 0)
        let page = try await queue.read(0)
        #expect(sum + page.credits == 0)
        #expect(page.occurrences.contains { if case .correction = $0.kind { true } else { false } } == wasTold)
    }

    @Test("W41: of attempts at one batch one ends it; a failed one is the same batch again, and what came meanwhile waits behind it")
    func turns() async throws {
        let node = try await TestNode()
        let queue = WebhookQueue(store: node.store)
        try await queue.fill("default", with: 3)
        let batch = try #require(try await queue.take("default"))
        let copy = try #require(try await queue.take("default"))
        #expect(copy.turn == batch.turn && copy.events == batch.events)
        try await queue.fill("default", with: 20)
        #expect(try await queue.finish(batch, as: .retry(50_000)) == 50_000)
        #expect(try await queue.finish(copy, as: .done) == nil, "its turn is over")
        #expect(try await queue.dueSinks(.gate, at: 0, count: 9).isEmpty)
        let again = try #require(try await queue.take("default"))
        #expect(again.events == batch.events && again.attempts == 1 && again.firstAttempt == 7)
        #expect(try await queue.figures()["retrying"] == 1)
        #expect(try await queue.finish(again, as: .done) == 0, "there is more than a batch")
        #expect(try await queue.finish(again, as: .done) == nil)
        let next = try #require(try await queue.take("default"))
        #expect(next.events.count == WebhookQueue.batch && next.attempts == 0)
        let letter = Array("a letter".utf8)
        #expect(try await queue.finish(next, as: .dead(letter)) == 0)
        #expect(try await queue.letters() == [letter])
        let figures = try await queue.figures()
        #expect(figures["delivered"] == 3 && figures["failed"] == 10 && figures["retries"] == 1 && figures["waiting"] == 10)
        #expect(figures["delivered:default"] == 3 && figures["retrying"] == 0)
        #expect(try await queue.attempts().map(\.number) == [3, 2, 1])
        let replay = try #require(WebhookReplay(letter: letter, events: next.events, to: "default"))
        #expect(try await queue.replay([replay], chosen: "1", .test("o", "f")) == (1, 0))
        #expect(try await queue.replay([replay], chosen: "1", .test("o", "f")) == (1, 0), "the same answer")
        #expect(try await queue.replay([replay], chosen: "1", .test("p", "f")) == (0, 0), "it is replayed once")
        #expect(try await queue.figures()["waiting"] == 20)
        #expect(try await queue.letterCount() == 0)
        #expect(try await queue.drop("default") == 20)
        let left = try await queue.figures()
        #expect(left["waiting"] == 0 && left["dropped"] == 20)
        #expect(try await queue.take("default") == nil)
        #expect(try await queue.dueSinks(.gate, at: nil, count: 9).isEmpty)
    }

    @Test("X37: queues, dead letters and the log are bounded, and count what they drop")
    func bounds() async throws {
        let node = try await TestNode()
        let queue = WebhookQueue(store: node.store)
        let sink = KeyWebhook.prefix + "0123456789abcdef"
        var dropped: [String: Int] = [:]
        for _ in 0..<11 { dropped.merge(try await queue.fill(sink, with: 100), uniquingKeysWith: +) }
        #expect(dropped == [sink: 100], "and says whose")
        let figures = try await queue.figures()
        #expect(figures["waiting"] == WebhookQueue.keyCapacity && figures["dropped"] == 100 && figures["waiting:keys"] == 1000)
        for number in 0..<5 {
            let batch = try #require(try await queue.take(sink))
            _ = try await queue.end(
                batch, of: sink, as: .dead(Array("\(number)".utf8)), firstAttempt: 7, entry: [], flush: 0)
        }
        try await node.send("RPUSH", node.keys.webhooks("dead"), "a", "b")
        #expect(try await queue.letters(offset: 0, count: 2).map { String(decoding: $0, as: UTF8.self) } == ["0", "1"])
        #expect(try await queue.clearLetters(.test()) == 7)
        #expect(try await queue.letterCount() == 0)
    }

    @Test(
        "F26: however many sinks hear of a page, no step writes more than so much, and each event is in each queue once",
        arguments: [0, 3, 7])
    func steps(_ commands: Int) async throws {
        let node = try await TestNode()
        let queue = WebhookQueue(store: node.store)
        try await queue.prepare()
        for number in 0..<100 { try await node.store.note(.numbered(number)) }
        let page = try await queue.read(0)
        let sinks = (0..<50).map { (name: "wf_\($0)", kind: WebhookSinkKind.gate) }
        let parcels = page.occurrences.map { WebhookParcel(event: Array($0.id.utf8), sinks: Array(0..<50)) }
        let steps = page.steps(parcels)
        #expect(steps.map(\.occurrences).reduce(0) { $0 == $1.lowerBound ? $1.upperBound : -1 } == 100, "none is left out, or there twice")
        #expect(steps.count >= 5 && steps.allSatisfy { $0.occurrences.count * 50 <= WebhookStep.entries })
        let heavy = page.occurrences.map { _ in WebhookParcel(event: [UInt8](repeating: 65, count: 20_000), sinks: Array(0..<50)) }
        #expect(page.steps(heavy).count == 100, "nor more bytes")
        // A node that dies between two steps, and the one that goes on.
        let dying = DyingStore(node.store)
        dying.dies(after: commands, answering: false)
        _ = try? await WebhookQueue(store: dying).spool(page, parcels, to: sinks, flush: 0)
        while true {
            let rest = try await queue.read(0)
            if rest.isEmpty { break }
            let parcels = rest.occurrences.map { WebhookParcel(event: Array($0.id.utf8), sinks: Array(0..<50)) }
            try await queue.spool(rest, parcels, to: sinks, flush: 0)
        }
        for sink in [sinks[0], sinks[49]] {
            let found = try await node.send("LRANGE", node.keys.webhooks("queue:" + sink.name), "0", "-1").array?.compactMap(\.string)
            #expect(found == page.occurrences.map(\.id))
        }
        #expect(try await queue.figures()["waiting"] == 5000)
    }

    @Test("F-WH-10: of many who make a filter at once on two nodes as many succeed as there may be")
    func room() async throws {
        let node = try await TestNode(shards: 4)
        let stores = ["a", "b"].map { RecordStore<WebhookFilter>(store: node.store, origin: $0) }
        let made = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<60 {
                group.addTask { await Self.make(number, in: stores[number % 2]) }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == WebhookFilter.capacity)
        #expect(try await stores[0].count() == WebhookFilter.capacity)
    }

    private static func make(_ number: Int, in store: RecordStore<WebhookFilter>) async -> Bool {
        let filter = WebhookFilter(id: "wf_00000000" + RandomHex.digits(8), url: "https://a.example", createdAt: number)
        do throws(RecordRefusal) {
            try await store.create(filter, room: WebhookFilter.capacity, .test())
            return true
        } catch {
            #expect(error == .full)
            return false
        }
    }

    @Test("Reads back what an audit entry says, and its key")
    func audit() {
        let entry = AuditEntry(type: "key.topup", actor: "ak_", message: "m", metadata: [("keyId", "key_1"), ("name", "a=b")])
        let read = AuditEntry(packed: entry.packed)
        #expect(read?.type == "key.topup" && read?.metadata.map(\.1) == ["key_1", "a=b"] && read?.actor == "ak_")
        #expect(AuditEntry(packed: []) == nil && AuditEntry(packed: [0xff, 0x1f]) == nil)
    }
}

extension WebhookPage {
    fileprivate var credits: Int {
        occurrences.reduce(0) { sum, occurrence in
            switch occurrence.kind {
            case .call(_, let credits): sum + credits
            case .correction(_, let credits, _): sum - credits
            case .change: sum
            }
        }
    }
}

extension WebhookQueue {
    /// Puts all of a page into one queue; an event is its id.
    fileprivate func spool(all page: WebhookPage) async throws {
        try await spool(
            page, page.occurrences.map { WebhookParcel(event: Array($0.id.utf8), sinks: [0]) }, to: [("default", .gate)], flush: 0)
    }

    /// - Returns: how many were dropped.
    @discardableResult
    fileprivate func fill(_ sink: String, with count: Int) async throws -> [String: Int] {
        try await spool(
            [], (0..<count).map { WebhookParcel(event: Array("event \($0)".utf8), sinks: [0]) }, to: [(sink, WebhookSinkKind(of: sink))],
            flush: 0) ?? [:]
    }

    fileprivate func finish(_ batch: WebhookBatch, as verdict: WebhookVerdict) async throws -> Int? {
        try await end(batch, of: "default", as: verdict, firstAttempt: 7, entry: Array("{}".utf8), flush: 60_000)
    }
}

extension AuditEntry {
    fileprivate static func numbered(_ number: Int) -> AuditEntry {
        AuditEntry(type: "key.created", actor: "test", message: "\(number)", metadata: [])
    }
}

extension TestNode {
    fileprivate func charge(_ caller: CachedKey, _ price: Int) async throws {
        let call = TestCall(caller: caller, price: price)
        guard await admit(call).isAdmitted, await settle(call).charged == price else { throw KitFailure("the call was not charged") }
    }
}
