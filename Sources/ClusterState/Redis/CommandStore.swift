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
