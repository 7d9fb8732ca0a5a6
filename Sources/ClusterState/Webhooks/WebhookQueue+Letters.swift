// Dead letters: what nobody has taken, listed, forgotten, and delivered once more.

import GateDomain
import LuaScripts

/// A dead letter that is to be delivered once more.
package struct WebhookReplay: Sendable {
    /// As it lies in the list; no two are the same.
    let letter: [UInt8]
    /// 1 to `WebhookQueue.batch`, as they lay in the queue.
    let events: [[UInt8]]
    /// Whose queue they go to.
    let sink: String

    /// Nil for one without events.
    package init?(letter: [UInt8], events: [[UInt8]], to sink: String) {
        if events.isEmpty { return nil }
        (self.letter, self.events, self.sink) = (letter, events, sink)
    }
}

extension WebhookQueue {
    /// Dead letters that are read at once.
    private static let letterPage = 50
    /// Letters that one step puts back at most, and bytes of those behind its first: a script takes a millisecond or two with them.
    private static let (replayed, replayedBytes) = (20, 1 << 18)
    /// Whose operation ids those on dead letters are; in shard 0.
    private static let scope = "webhooks"

    /// Dead letters, the oldest first, `count` of them from `offset` on.
    /// - Throws: `StoreFailure`.
    package func letters(offset: Int = 0, count: Int = WebhookQueue.deadLetters) async throws -> [[UInt8]] {
        let end = min(offset + count, try await letterCount())
        // In pages: a thousand of them are megabytes.
        let pages = try await store.sendAll(
            stride(from: offset, to: end, by: Self.letterPage).map { start in
                RedisCommand("LRANGE", dead, String(start), String(min(start + Self.letterPage, end) - 1))
            })
        return pages.flatMap { $0.array ?? [] }.compactMap { word in if case .bytes(let bytes) = word { bytes } else { nil } }
    }

    /// How many dead letters there are.
    /// - Throws: `StoreFailure`.
    package func letterCount() async throws -> Int { try await store.sendPatiently(RedisCommand("LLEN", dead)).integer ?? 0 }

    /// Forgets the dead letters that there are, with the operation's audit entry, which tells how many as `entries`; once.
    /// - Returns: how many.
    /// - Throws: `operationReused`, or `store`.
    package func clearLetters(_ operation: Operation) async throws(RecordRefusal) -> Int {
        try await store.perform(operation, of: Self.scope, [RedisCommand("LLEN", dead), RedisCommand("UNLINK", dead)], telling: "entries")
    }

    /// What an operation of `replay` has chosen that has begun; nil for one that has not.
    /// - Throws: `operationReused`, or `store`.
    package func chosen(by operation: Operation) async throws(RecordRefusal) -> String? {
        let name = store.keys.operation(Self.scope, store.operationName(operation, of: Self.scope))
        guard try await store.hasPerformed(operation, of: Self.scope) else { return nil }
        return try await store.ask(RedisCommand("HGET", name, "chosen")).string
    }

    /// Puts the events of dead letters back into the queues of their sinks, in steps, the first of which writes the audit entry. A step that
    /// comes twice moves nothing again; an operation that is over answers what it has come to.
    /// - Parameter chosen: what is told to whoever goes on with an operation that was cut off (`chosen(by:)`).
    /// - Returns: how many were put back, which leaves out those that are gone and those whose queue has no room; and the letters that are left.
    /// - Throws: `operationReused`, or `store`.
    package func replay(
        _ letters: [WebhookReplay], chosen: String, _ operation: Operation
    ) async throws(RecordRefusal) -> (replayed: Int, left: Int) {
        var (rest, ends): (ArraySlice<WebhookReplay>, (replayed: Int, left: Int)) = (letters[...], (0, 0))
        repeat {
            let step = Self.step(of: rest)
            rest = rest.dropFirst(step.count)
            let reply = try await store.ask(command(step, chosen: chosen, isLast: rest.isEmpty, operation))
            switch reply.status {
            case 0: ends = (reply.integer(at: 1), reply.integer(at: 2))
            case 1: throw .operationReused
            default: throw .unexpected
            }
        } while !rest.isEmpty
        return ends
    }

    private static func step(of letters: ArraySlice<WebhookReplay>) -> ArraySlice<WebhookReplay> {
        var bytes = 0
        let end = letters.prefix(replayed).dropFirst().firstIndex { letter in
            bytes += letter.letter.count
            return bytes > replayedBytes
        }
        return end.map { letters[..<$0] } ?? letters.prefix(replayed)
    }

    private func command(_ step: ArraySlice<WebhookReplay>, chosen: String, isLast: Bool, _ operation: Operation) -> RedisCommand {
        var command = RedisCommand(script: .webhookReplay, keys: 6 + step.count)
        let name = store.keys.operation(Self.scope, store.operationName(operation, of: Self.scope))
        for name in [name, store.keys.audit(0), counts, dead, due(.gate), due(.key)] + step.map({ queue($0.sink) }) { command.append(name) }
        command.append(operation: operation.fingerprint, audit: operation.audit.packed)
        command.append(chosen)
        command.append(isLast ? 1 : 0)
        for letter in step {
            let kind = WebhookSinkKind(of: letter.sink)
            command.append(letter.sink)
            command.append(kind.rawValue)
            command.append(kind.capacity)
            command.append(letter.letter)
            command.append(letter.events.count)
            for event in letter.events { command.append(event) }
        }
        return command
    }
}
