// The store as everything that is off the call path sees it.

/// Takes commands from anywhere and waits for their replies.
///
/// Two real ones: `RedisStore`, which has a link on every event loop, and that of the history explorer.
package protocol CommandStore: Sendable {
    /// Where everything lies in it.
    var keys: RedisKeys { get }

    /// Sends a command and waits for its reply.
    /// - Throws: what is known of a command that was not answered.
    func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply

    /// Sends a command whose double application does no harm, for as long as the caller may reasonably wait (2 s).
    /// - Throws: What is known of the command that was not answered in time.
    func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply

    /// Sends commands that need nothing of each other, patiently; replies are in their order.
    /// - Throws: What is known of the first one that was not answered; others may have been carried out.
    func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply]
}

extension CommandStore {
    /// Sends commands that need nothing of each other once each, some at a time: what one server does not answer delays no other.
    /// - Returns: what became of each, in their order.
    func each(_ commands: [RedisCommand]) async -> [Result<RedisReply, StoreFailure>] {
        var results: [Result<RedisReply, StoreFailure>] = []
        for start in stride(from: 0, to: commands.count, by: 64) {
            results += await withTaskGroup(of: (Int, Result<RedisReply, StoreFailure>).self) { group in
                let part = commands[start..<min(start + 64, commands.count)]
                for (place, command) in part.enumerated() { group.addTask { (place, await result(of: command)) } }
                return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
            }
        }
        return results
    }

    private func result(of command: RedisCommand) async -> Result<RedisReply, StoreFailure> {
        do throws(StoreFailure) { return .success(try await send(command)) } catch { return .failure(error) }
    }
}
