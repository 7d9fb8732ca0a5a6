// Ends what a dead node has left open, shard by shard, in pages.

import GateDomain
import LuaScripts

/// The last will of one dead node. It may be run by several nodes at once and again after a failure: each hold is ended once.
struct Reaper {
    let store: any CommandStore
    let node: String
    /// Whether the price goes back.
    let refunds: Bool

    /// Milliseconds for which a dead node's closed holds are remembered: longer than any answer is waited for.
    private static let retention = 21_600_000
    private static let batch = 32

    /// A hold that was found open, or closed as another shard has once decided.
    private struct Orphan {
        let hold: String
        let isOpen: Bool
        let call: String
        /// The shard whose hold of the same name decides, if it is not this one.
        let primary: Int?
        let accounts: [String]
    }

    /// What has been done.
    struct Ended {
        /// Calls that were resolved.
        fileprivate(set) var resolved = 0
        /// Why others are still open that can be resolved once somebody has mended something, e.g. an account.
        fileprivate(set) var refusal: String?
    }

    func run() async throws(StoreFailure) -> Ended {
        var ended = Ended()
        var followers: [Int: [Orphan]] = [:]
        // Every shard first: from here on nothing more is opened, and only then is what follows another shard's decision looked at.
        for shard in 0..<store.keys.shards {
            var cursor = "0"
            repeat {
                let page = try await fence(shard, cursor)
                cursor = page.next
                followers[shard, default: []] += page.orphans.filter { $0.primary != nil }
                try await end(page.orphans.filter { $0.primary == nil }, in: shard, &ended)
            } while cursor != "0"
        }
        for (shard, orphans) in followers { try await follow(orphans, in: shard, &ended) }
        // Only now: a reaper that is itself cut short leaves everything for the next one, however late that comes.
        let keys = store.keys
        if ended.refusal == nil {
            _ = try await store.sendAll((0..<keys.shards).map { RedisCommand("PEXPIRE", keys.open(node, $0), String(Self.retention)) })
        }
        return ended
    }

    private func fence(_ shard: Int, _ cursor: String) async throws(StoreFailure) -> (next: String, orphans: [Orphan]) {
        var command = RedisCommand(script: .fence, keys: 1)
        command.append(store.keys.open(node, shard))
        command.append(cursor)
        let reply = try await store.send(command).array ?? []
        let orphans = reply.dropFirst().compactMap { entry -> Orphan? in
            let words = entry.array?.compactMap(\.string) ?? []
            guard words.count > 4 else { return nil }
            let primary = Int(words[3])
            guard words[3].isEmpty || primary.map((0..<store.keys.shards).contains) == true else { return nil }
            return Orphan(hold: words[0], isOpen: words[1] == "open", call: words[2], primary: primary, accounts: Array(words[4...]))
        }
        return (reply.first?.string ?? "0", orphans)
    }

    private func end(_ orphans: [Orphan], in shard: Int, _ ended: inout Ended) async throws(StoreFailure) {
        var rest = orphans[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.batch))
            rest = rest.dropFirst(Self.batch)
            let mode = refunds ? "refund" : "keep"
            let reply = try await store.send(command(for: part, in: shard) { _ in (mode, 0, []) })
            ended.resolved += try Self.resolved(part, reply, &ended.refusal)
        }
    }

    /// How many holds a script has ended. What cannot be read is nothing that could be given back, and keeps nobody.
    /// - Throws: what keeps the store from ending others just now; the next beat tries again, as the list stays until then.
    private static func resolved(_ orphans: [Orphan], _ reply: RedisReply, _ refusal: inout String?) throws(StoreFailure) -> Int {
        var count = 0
        for (orphan, answer) in zip(orphans, ScriptAnswers(reply)) {
            if answer.status == 3 {
                if case let failure = StoreFailure(errorText: answer.why), case .unavailable = failure { throw failure }
                if !orphan.accounts.isEmpty { refusal = answer.why }
            }
            if answer.status == 1 { count += 1 }
        }
        return count
    }

    /// Charges in this shard what the key's own shards have charged; nothing, where the call never got there. What is closed here already
    /// goes back if it went back there: its node died between the two. What could not be ended there waits for that.
    private func follow(_ orphans: [Orphan], in shard: Int, _ ended: inout Ended) async throws(StoreFailure) {
        var rest = orphans[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.batch))
            rest = rest.dropFirst(Self.batch)
            let outcomes = try await store.sendAll(
                part.map { orphan in
                    var question = RedisCommand(script: .outcome, keys: 1)
                    question.append(store.keys.open(node, orphan.primary ?? shard))
                    question.append(orphan.hold)
                    return question
                })
            let found = Dictionary(zip(part.map(\.hold), outcomes), uniquingKeysWith: { first, _ in first })
            let due = part.filter { ($0.isOpen && found[$0.hold]?.status != 1) || found[$0.hold]?.isGivenBack == true }
            guard !due.isEmpty else { continue }
            let reply = try await store.send(
                command(for: due, in: shard) { orphan in
                    guard orphan.isOpen else { return ("release", 0, []) }
                    guard let outcome = found[orphan.hold], outcome.status == 2 else { return ("refund", 0, []) }
                    return ("settle", outcome.integer(at: 2), [outcome.integer(at: 1)])
                })
            _ = try Self.resolved(due, reply, &ended.refusal)
        }
    }

    /// - Parameter how: the mode, the calls that are taken back, and the charges without an event of their own.
    private func command(for orphans: [Orphan], in shard: Int, how: (Orphan) -> (mode: String, returned: Int, charges: [Int]))
        -> RedisCommand
    {
        var names = ScriptKeys(store.keys.usage(shard), store.keys.cursor(Rollups.usage, shard))
        let open = names.place(of: store.keys.open(node, shard))
        let places = orphans.map { orphan in
            (
                call: orphan.call.isEmpty ? 0 : names.place(of: orphan.call),
                accounts: orphan.accounts.map { names.place(of: store.keys.account($0)) }
            )
        }
        var command = RedisCommand(script: .settle, keys: names.names.count)
        for name in names.names { command.append(name) }
        command.append(EventLog.retained)
        command.append(0)
        var pack = ScriptPack()
        for (orphan, place) in zip(orphans, places) {
            let (mode, returned, charges) = how(orphan)
            pack.clear()
            pack.beginSettlement(
                of: orphan.hold, open: open, mode: mode, returned: returned, call: place.call,
                memory: place.call == 0 ? ScriptPack.noMemory : (refunds ? "drop" : "lose", 0, []), until: 0, accounts: place.accounts,
                events: charges.count)
            for charge in charges { pack.append(base: charge) }
            command.append(pack.bytes)
        }
        return command
    }
}

extension RedisReply {
    /// Of outcome.lua: whether nothing of the call was charged or counted in the end.
    fileprivate var isGivenBack: Bool { status == 2 && integer(at: 1) == 0 && integer(at: 2) == integer(at: 3) }
}
