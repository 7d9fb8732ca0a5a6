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
        #expect(try await queue.replay(letter, events: next.events, to: "default"))
        #expect(try await !queue.replay(letter, events: next.events, to: "default"), "it is replayed once")
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
        var dropped = 0
        for _ in 0..<11 { dropped += try await queue.fill(sink, with: 100) }
        #expect(dropped == 100)
        let figures = try await queue.figures()
        #expect(figures["waiting"] == WebhookQueue.keyCapacity && figures["dropped"] == 100 && figures["waiting:keys"] == 1000)
        for number in 0..<5 {
            let batch = try #require(try await queue.take(sink))
            _ = try await queue.end(
                batch, of: sink, as: .dead(Array("\(number)".utf8)), firstAttempt: 7, entry: [], flush: 0)
        }
        try await node.send("RPUSH", node.keys.webhooks("dead"), "a", "b")
        #expect(try await queue.letters(offset: 0, count: 2).map { String(decoding: $0, as: UTF8.self) } == ["0", "1"])
        #expect(try await queue.clearLetters() == 7)
        #expect(try await queue.letterCount() == 0)
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
        _ = try await spool(
            page, events: page.occurrences.map { Array($0.id.utf8) }, sinks: [("default", .gate)],
            routes: page.occurrences.indices.map { (0, $0) }, flush: 0)
    }

    fileprivate func read(_ shard: Int) async throws -> WebhookPage { try await read(shard..<shard + 1)[0] }

    /// - Returns: how many were dropped.
    @discardableResult
    fileprivate func fill(_ sink: String, with count: Int) async throws -> Int {
        try await spool(
            WebhookPage(readings: [], occurrences: [], isFull: false), events: (0..<count).map { Array("event \($0)".utf8) },
            sinks: [(sink, WebhookSinkKind(of: sink))], routes: (0..<count).map { (0, $0) }, flush: 0)
    }

    fileprivate func finish(_ batch: WebhookBatch, as verdict: WebhookVerdict) async throws -> Int? {
        try await end(batch, of: "default", as: verdict, firstAttempt: 7, entry: Array("{}".utf8), flush: 60_000)
    }
}

extension TestNode {
    fileprivate func charge(_ caller: CachedKey, _ price: Int) async throws {
        let call = TestCall(caller: caller, price: price)
        guard await admit(call).isAdmitted, await settle(call).charged == price else { throw KitFailure("the call was not charged") }
    }
}
