// What can go wrong with the connections to a Redis that itself is well.

extension RedisServer {
    /// No node can be subscribed to anything until `restoreChangeFeed`: subscribers are thrown out and refused. All else works.
    package func cutChangeFeed() async throws {
        try await command("ACL", "SETUSER", "default", "-subscribe", "-psubscribe", "-ssubscribe")
        try await command("CLIENT", "KILL", "TYPE", "pubsub")
    }

    package func restoreChangeFeed() async throws {
        try await command("ACL", "SETUSER", "default", "+subscribe", "+psubscribe", "+ssubscribe")
    }

    /// Closes every connection of every node.
    package func killConnections() async throws {
        try await command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try await command("CLIENT", "KILL", "TYPE", "pubsub")
    }
}
