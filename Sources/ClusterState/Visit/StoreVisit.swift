// The store as a tool sees it from outside of any node: a conversation with each server, and no script loaded.

import GateDomain
package import NIOCore

/// Speaks with the servers of a store from outside of any node. It needs the rights that the commands need which it is given.
///
/// What a server refuses because it is not the one, or not just now, is asked again for `patience`; so a promotion or a slot that moves costs
/// time and no answer.
package actor StoreVisit {
    /// A server with what it has, as `CLUSTER NODES` says; nil for the one of a store that is no Redis Cluster.
    typealias Server = RedisURL.Server?

    /// Where everything lies in it.
    package nonisolated let keys: RedisKeys
    private nonisolated let connector: RedisConnector
    private nonisolated let loop: any EventLoop
    private var conversations: [Server: RedisConversation] = [:]
    private var breaks = 0

    /// For how long a server that does not answer is asked again.
    package static let patience = Duration.seconds(20)
    private static let answer = TimeAmount.seconds(5)
    private static let pause = Duration.milliseconds(50)

    /// - Parameter connector: whose Sentinels, or servers, are being followed already.
    package init(_ connector: RedisConnector, keys: RedisKeys, on loop: any EventLoop) {
        (self.connector, self.keys, self.loop) = (connector, keys, loop)
    }

    /// The same store under other names; over connections of its own.
    package nonisolated func under(_ keys: RedisKeys) -> StoreVisit { StoreVisit(connector, keys: keys, on: loop) }

    /// Ends its connections; it may go on with others.
    package func hangUp() {
        for conversation in conversations.values { conversation.close() }
        conversations = [:]
    }

    /// Ends its connections, and the following of servers.
    package func close() {
        hangUp()
        connector.watch?.stop()
        connector.cluster?.stop()
    }

    /// How many shards the store was first used with; nil if no gate has used it under this prefix.
    /// - Throws: `StoreFailure`.
    package func shards() async throws -> Int? {
        let reply = try await ask([RedisCommand("HMGET", keys.secrets, "shards", "session")])[0]
        guard let words = reply.array, words.count == 2 else { return nil }
        // A store without the number is one of a version that knew no shards.
        return words[0].integer.map { (1...1024).contains($0) ? $0 : nil } ?? (words[1] == .null ? nil : 1)
    }

    /// What its gates prove sessions with, which no other store has; nil where it is no store.
    /// - Parameter patience: for how long it is asked.
    /// - Throws: `StoreFailure`.
    package func session(within patience: Duration = StoreVisit.patience) async throws -> String? {
        try await ask([RedisCommand("HGET", keys.secrets, "session")], within: patience)[0].string
    }

    /// Answers in the order of the commands, which may go to any servers. Errors that speak of the type of a value are answers.
    /// - Throws: `StoreFailure`, when a server does not answer for `patience`, or refuses for good.
    package func ask(_ commands: [RedisCommand], within patience: Duration = StoreVisit.patience) async throws -> [RedisReply] {
        var replies = [RedisReply](repeating: .null, count: commands.count)
        var left = Array(commands.indices)
        var failure = StoreFailure.unavailable("no server of the Redis Cluster has the slot")
        let deadline = ContinuousClock.now + patience
        while true {
            var again: [Int] = []
            let (groups, homeless) = grouped(left, commands)
            again += homeless
            for (server, indices) in groups {
                do {
                    let answers = try await conversation(with: server).ask(indices.map { commands[$0] }, within: Self.answer)
                    for (index, answer) in zip(indices, answers) {
                        guard let refusal = Self.refusal(in: answer) else {
                            replies[index] = answer
                            continue
                        }
                        if case .fault = refusal { throw refusal }
                        failure = refusal
                        if let found = try await followed(answer, of: commands[index], from: server) {
                            replies[index] = found
                        } else {
                            again.append(index)
                        }
                    }
                } catch {
                    let reason = error as? StoreFailure ?? .unavailable("no connection to Redis")
                    if case .fault = reason { throw reason }
                    forget(server)
                    failure = reason
                    again += indices
                }
            }
            if again.isEmpty { return replies }
            guard ContinuousClock.now < deadline else { throw failure }
            connector.doubt()
            try await Task.sleep(for: Self.pause)
            left = again
        }
    }

    private func grouped(_ indices: [Int], _ commands: [RedisCommand]) -> (groups: [Server: [Int]], homeless: [Int]) {
        guard let map = connector.cluster?.map else { return ([Server.none: indices], []) }
        var (groups, homeless): ([Server: [Int]], [Int]) = ([:], [])
        for index in indices {
            if let owner = map.owner(of: commands[index].slot ?? 0) {
                groups[owner, default: []].append(index)
            } else {
                homeless.append(index)
            }
        }
        return (groups, homeless)
    }

    /// What the server says to which a slot is just moving; nil where the answer speaks of no such thing, or it does not know either.
    private func followed(_ answer: RedisReply, of command: RedisCommand, from server: Server) async throws -> RedisReply? {
        guard case .error(let text) = answer, let server, case .ask(let place)? = ClusterRedirection(text, asked: server) else {
            return nil
        }
        let answers = try await conversation(with: place).ask([RedisCommand("ASKING"), command], within: Self.answer)
        return answers.last.flatMap { Self.refusal(in: $0) == nil ? $0 : nil }
    }

    /// Why a command was not answered; `fault` where asking again does not help. A value of another type is an answer.
    private static func refusal(in reply: RedisReply) -> StoreFailure? {
        guard case .error(let text) = reply, !text.hasPrefix("WRONGTYPE") else { return nil }
        if ["NOPERM", "NOAUTH", "WRONGPASS"].contains(where: text.hasPrefix) { return .fault(text) }
        return StoreFailure(errorText: text)
    }

    private func conversation(with server: Server) async throws -> RedisConversation {
        if let open = conversations[server] { return open }
        let own = server.map { connector.leading(to: $0) } ?? connector
        let conversation = try await RedisConversation.open(own, on: loop)
        do {
            let greeting = own.greeting
            for reply in greeting.isEmpty ? [] : try await conversation.ask(greeting, within: Self.answer) {
                if let refusal = Self.refusal(in: reply) { throw refusal }
                if let why = own.objection(to: reply) { throw StoreFailure.unavailable(why) }
            }
        } catch {
            conversation.close()
            throw error
        }
        conversations[server] = conversation
        return conversation
    }

    private func forget(_ server: Server) {
        breaks += 1
        conversations.removeValue(forKey: server)?.close()
    }
}

// Going through all names.
extension StoreVisit {
    /// Which servers there are and that none was lost: while it stays the same, a walk through all names leaves none out that stood there all
    /// the time.
    struct Course: Equatable {
        fileprivate let breaks: Int
        fileprivate let map: SlotMap?
    }

    /// The present one.
    var course: Course { Course(breaks: breaks, map: connector.cluster?.map) }

    /// All that hold a part of the store.
    var servers: [Server] { connector.cluster.map { $0.map.places.map(Server.some) } ?? [Server.none] }

    /// What one server answers, whichever of the names it has.
    /// - Throws: `StoreFailure`; what was said may have been heard.
    func ask(_ server: Server, _ commands: [RedisCommand]) async throws -> [RedisReply] {
        let replies: [RedisReply]
        do { replies = try await conversation(with: server).ask(commands, within: Self.answer) } catch {
            forget(server)
            throw error as? StoreFailure ?? .unavailable("no connection to Redis")
        }
        for reply in replies { if let refusal = Self.refusal(in: reply) { throw refusal } }
        return replies
    }

    /// Whether a replica of each server, where it has any, has all that was written here.
    /// - Parameter milliseconds: for which each of them is waited for.
    /// - Throws: `StoreFailure`.
    func isReplicated(within milliseconds: Int) async throws -> Bool {
        for server in servers where conversations[server] != nil {
            let facts = try? await ask(server, [RedisCommand("INFO", "replication")])[0].string
            guard let facts, facts.contains("connected_slaves:"), !facts.contains("connected_slaves:0") else { continue }
            let count = try await ask(server, [RedisCommand("WAIT", "1", String(milliseconds))])[0].integer
            if count == 0 { return false }
        }
        return true
    }

    /// Hears of every name that changes on a server from now on; ends with the connection to it, which the course shows.
    /// - Throws: `StoreFailure`.
    func follow(_ server: Server, _ changes: ChangedNames) async throws {
        let own = server.map { connector.leading(to: $0) } ?? connector
        let ear = try await RedisConversation.open(own, on: loop) { changes.heard($0) }
        changes.attach(ear.channel)
        if !own.greeting.isEmpty {
            for reply in try await ear.ask(own.greeting, within: Self.answer) { if let why = Self.refusal(in: reply) { throw why } }
        }
        let replies = try await ear.ask(
            [RedisCommand("CLIENT", "ID"), RedisCommand("SUBSCRIBE", ChangedNames.channel)], within: Self.answer)
        for reply in replies { if let why = Self.refusal(in: reply) { throw why } }
        guard let id = replies[0].integer else { throw StoreFailure.fault("no answer to CLIENT ID") }
        // An earlier ear of this connection is given up first.
        let listen = RedisCommand("CLIENT", "TRACKING", "ON", "REDIRECT", String(id), "BCAST", "PREFIX", keys.prefix)
        _ = try await ask(server, [RedisCommand("CLIENT", "TRACKING", "OFF"), listen])
    }

    /// About how many names all servers have, those of others among them; of one that does not say, none.
    var size: Int {
        get async {
            var size = 0
            for server in servers {
                size += (try? await conversation(with: server).ask([RedisCommand("DBSIZE")], within: Self.answer)[0].integer ?? 0) ?? 0
            }
            return size
        }
    }

    /// Some of the names of a server that begin with the prefix of the store; a name may come twice. The last cursor is `0`.
    /// - Throws: `StoreFailure`; a connection that broke is not made anew within a walk.
    func names(of server: Server, from cursor: String) async throws -> (next: String, names: [[UInt8]]) {
        let pattern = keys.prefix.map { "*?[]\\".contains($0) ? "\\\($0)" : String($0) }.joined() + "{*"
        let scan = RedisCommand("SCAN", cursor, "MATCH", pattern, "COUNT", "500")
        let reply: RedisReply
        do { reply = try await conversation(with: server).ask([scan], within: Self.answer)[0] } catch {
            forget(server)
            throw error as? StoreFailure ?? .unavailable("no connection to Redis")
        }
        if let refusal = Self.refusal(in: reply) { throw refusal }
        guard let page = reply.array, page.count == 2, let next = page[0].string, let names = page[1].array else {
            throw StoreFailure.fault("no answer to SCAN")
        }
        return (next, names.compactMap { if case .bytes(let bytes) = $0 { bytes } else { nil } })
    }
}
