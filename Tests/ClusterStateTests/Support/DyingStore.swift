// The way of a node to Redis that breaks off when a test says so, and repeats commands, at once and late.

@testable import ClusterState
import Synchronization

/// A store in front of a real one. What it has sent may be sent again at any time: whatever goes through it has to bear that.
final class DyingStore: CommandStore {
    private struct State {
        /// Commands until the end; nil for none.
        var left: Int?
        /// Whether the command in which it dies is not sent at all, rather than sent without an answer.
        var isAnswered = true
        var repeats = false
        var sent: [RedisCommand] = []
        var refuses: (@Sendable (RedisCommand) -> Bool)?
    }

    private enum Fate { case pass, twice, lost, dead }

    private let real: RedisStore
    private let state = Mutex(State())

    init(_ real: RedisStore) { self.real = real }

    var keys: RedisKeys { real.keys }

    /// Which commands are not let through.
    var refuses: (@Sendable (RedisCommand) -> Bool)? {
        get { state.withLock { $0.refuses } }
        set { state.withLock { $0.refuses = newValue } }
    }

    /// After so many commands no other is answered; the next one arrives all the same if it is not `answering`.
    func dies(after commands: Int, answering: Bool) {
        state.withLock { ($0.left, $0.isAnswered) = (commands, answering) }
    }

    /// Every other command is sent twice from here on.
    func repeatCommands() { state.withLock { $0.repeats = true } }

    /// Sends one of the scripts that were sent before once more, and tells nobody what it said.
    func repeatLate(_ choice: Int) async {
        let command = state.withLock { $0.sent.isEmpty ? nil : $0.sent[choice % $0.sent.count] }
        if let command { _ = try? await real.sendPatiently(command) }
    }

    func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        let fate = state.withLock { state -> Fate in
            if state.refuses?(command) == true { return .dead }
            if let left = state.left {
                state.left = left - 1
                if left == 0, !state.isAnswered { return .lost }
                if left <= 0 { return .dead }
            }
            if command.script != nil { state.sent = state.sent.suffix(40) + [command] }
            return state.repeats && command.script != nil && state.sent.count % 2 == 0 ? .twice : .pass
        }
        switch fate {
        case .dead: throw .unavailable("the node is dead")
        case .lost:
            _ = try await real.sendPatiently(command)
            throw .unknown
        case .twice:
            _ = try await real.sendPatiently(command)
            return try await real.sendPatiently(command)
        case .pass: return try await real.sendPatiently(command)
        }
    }

    func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply { try await send(command) }

    func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] {
        var replies: [RedisReply] = []
        for command in commands { replies.append(try await send(command)) }
        return replies
    }
}
