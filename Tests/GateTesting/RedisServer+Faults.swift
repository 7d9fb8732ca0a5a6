// What can go wrong with a Redis and its connections, and what it says of itself.

import Testing

extension RedisServer {
    /// No node can be subscribed to anything until `restoreChangeFeed`: subscribers are thrown out and refused. All else works.
    package func cutChangeFeed() async throws {
        try await command("ACL", "SETUSER", DocumentedRights.nodes.rawValue, "-subscribe")
        try await command("CLIENT", "KILL", "TYPE", "pubsub")
    }

    package func restoreChangeFeed() async throws {
        try await command("ACL", "SETUSER", DocumentedRights.nodes.rawValue, "+subscribe")
        try await command("ACL", "LOG", "RESET")
    }

    /// Closes every connection of every node.
    package func killConnections() async throws {
        try await command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try await command("CLIENT", "KILL", "TYPE", "pubsub")
    }
}

extension RedisServer {
    /// Copies another one and follows it; returns once it has all of it.
    /// - Parameter place: the port at which it is reached, if not its own.
    package func follow(_ master: RedisServer, at place: Int? = nil) async throws {
        try await command("REPLICAOF", "127.0.0.1", "\(place ?? master.port)")
        // A replica is called online up to a second before it is sent what comes after its copy: only a byte of that shows that it is in step.
        try await eventually("the replica is online", within: .seconds(10)) {
            try await master.facts("replication").values.contains { $0.contains("port=\(port),state=online") }
        }
        try await master.command("PUBLISH", "gate-testing", "in step?")
        try await eventually("the replica is in step", within: .seconds(10)) {
            let (here, there) = (try await facts("replication"), try await master.facts("replication"))
            return here["master_link_status"] == "up" && here["slave_repl_offset"] == there["master_repl_offset"]
        }
    }

    /// Takes writes from now on; `old`, its master so far, follows it and answers READONLY.
    package func takeOver(from old: RedisServer) async throws {
        try await command("REPLICAOF", "NO", "ONE")
        try await old.command("REPLICAOF", "127.0.0.1", "\(port)")
    }

    /// One section of `INFO`.
    package func facts(_ section: String) async throws -> [String: String] {
        let lines = try await command("INFO", section).split(whereSeparator: \.isNewline)
        return lines.reduce(into: [:]) { facts, line in
            guard let colon = line.firstIndex(of: ":") else { return }
            facts[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
    }

    /// Bytes of everything that it keeps, without its buffers.
    package var dataset: Int {
        get async throws { try await Int(facts("memory")["used_memory_dataset"] ?? "") ?? 0 }
    }

    /// Does something to every key of a type whose name contains the text; `action` is Lua, with `key`.
    package func alter(_ type: String, containing text: String, _ action: String) async throws {
        let walk =
            "local n = 0; for _, key in ipairs(redis.call('KEYS', '*' .. ARGV[1] .. '*')) do if redis.call('TYPE', key).ok == ARGV[2] then \(action); n = n + 1 end end; return n"
        guard try await command("EVAL", walk, "0", text, type) != "0" else { throw KitFailure("no \(type) is named after \(text)") }
    }
}
