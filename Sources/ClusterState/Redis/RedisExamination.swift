// Whether a Redis can be the store of a gate, found out once at the start, in sentences for whoever started it.

package import NIOCore

/// What a look at the store has shown.
package enum RedisExamination: Sendable, Equatable {
    /// It can be used; each remark is a sentence about what may be lost.
    case fit(remarks: [String])
    /// It is not there, or not ready; waiting may help. The sentence is nil where nobody answers.
    case away(String?)
    /// It cannot be used until somebody changes something.
    case unfit(String)

    static let patience = TimeAmount.seconds(2)

    /// Asks the Redis that the connector leads to, or every primary of its cluster. It leaves nothing behind: what is tried is tried on a name
    /// of its own that expires.
    /// - Parameter isRead: whether the store is only read: nothing is tried then, and nobody asks what it keeps.
    package static func of(
        _ connector: RedisConnector, keys: RedisKeys, on loop: any EventLoop, isRead: Bool = false
    ) async -> RedisExamination {
        if let cluster = connector.cluster, !connector.isPinned {
            return await ClusterExamination(connector: connector, seeds: cluster.seeds, keys: keys, loop: loop, isRead: isRead).verdict()
        }
        guard let conversation = try? await RedisConversation.open(connector, on: loop) else { return .away(nil) }
        defer { conversation.close() }
        let place = connector.description
        do {
            for case .error(let text) in try await conversation.ask(connector.greeting, within: patience) {
                return refusal(text, of: connector, at: place)
            }
            let hello = try await conversation.ask([RedisCommand("HELLO", "2")], within: patience)[0]
            if let verdict = judge(hello, of: connector, at: place) { return verdict }
            if isRead { return .fit(remarks: []) }
            // The trial ends with a subscription, after which nothing else may be asked.
            let facts = try await conversation.ask([RedisCommand("INFO")], within: patience)[0]
            let coverage = try await ClusterExamination.remark(conversation, connector, at: place)
            let trial = RightsTrial(keys: keys, waits: connector.replicasToAck > 0, isOfCluster: connector.cluster != nil)
            let answers = try await conversation.ask(trial.commands, within: patience)
            if let verdict = trial.verdict(on: answers, of: connector.target.username ?? "default", at: place) { return verdict }
            guard case .fit(var remarks) = judge(RedisFacts(facts), at: place) else { return judge(RedisFacts(facts), at: place) }
            if let coverage { remarks.append(coverage) }
            // The last one tried is the subscription; nothing depends on the change feed for being right.
            guard case .error = answers.last else { return .fit(remarks: remarks) }
            let remark = "Redis at \(place) does not let this user use SUBSCRIBE: what is changed reaches this node's caches late."
            return .fit(remarks: remarks + [remark])
        } catch {
            return error.isOfTLS ? .unfit("TLS with Redis at \(place) cannot be agreed on; \(RedisTLS.advice)") : .away(nil)
        }
    }

    static func refusal(_ text: String, of connector: RedisConnector, at place: String) -> RedisExamination {
        if text.hasPrefix("NOAUTH") {
            return .unfit("Redis at \(place) asks for a password; put it into a file and name that with --redis-password-file.")
        }
        if text.hasPrefix("WRONGPASS") {
            return .unfit("Redis at \(place) does not take the user and password that it is given; check the URL or --redis-password-file.")
        }
        if text.contains("without any password configured") {
            return .unfit("Redis at \(place) has no password, but one is given; leave it out, or set requirepass there.")
        }
        if text.hasPrefix("ERR DB index") || text.contains("SELECT is not allowed") {
            return .unfit("Redis at \(place) has no database \(connector.target.database).")
        }
        if text.hasPrefix("LOADING") { return .away("is still loading its data") }
        if text.hasPrefix("NOPERM") { return .unfit("Redis at \(place) does not let this user select its database (SELECT).") }
        if text.hasPrefix("ERR unknown command") { return .unfit(tooOld(place, nil)) }
        return .away("refuses the connection")
    }

    static func judge(_ reply: RedisReply, of connector: RedisConnector, at place: String) -> RedisExamination? {
        if case .error(let text) = reply { return refusal(text, of: connector, at: place) }
        guard let hello = RedisHello(reply) else { return .unfit("What answers at \(place) is no Redis.") }
        if hello.mode == "sentinel" {
            return .unfit("What answers at \(place) is a Sentinel; use redis+sentinel://HOST,HOST,HOST/PRIMARY.")
        }
        if hello.majorVersion < 7 { return .unfit(tooOld(place, hello.version)) }
        if hello.mode == "cluster", connector.cluster == nil {
            return .unfit("Redis at \(place) is a server of a Redis Cluster; use redis+cluster://HOST,HOST,HOST.")
        }
        if hello.mode != "cluster", connector.cluster != nil {
            return .unfit("Redis at \(place) is no server of a Redis Cluster (cluster-enabled no); use redis://.")
        }
        if connector.cluster != nil, !connector.isPinned { return nil }
        if !hello.isPrimary { return .away("is a replica and takes no writes") }
        return nil
    }

    private static func tooOld(_ place: String, _ version: String?) -> String {
        "Redis at \(place) is \(version.map { "version \($0)" } ?? "too old"); the gate needs 7.0 or later."
    }

    static func judge(_ facts: RedisFacts, at place: String) -> RedisExamination {
        guard facts.isKnown else {
            return .fit(remarks: [
                "Redis at \(place) does not let this user use INFO; what it keeps on disk and when it drops keys is not known."
            ])
        }
        var remarks: [String] = []
        if facts.mayEvict {
            let consequence =
                facts.evictionPolicy.hasPrefix("volatile-")
                ? "it may forget idempotent calls and windows before their time" : "it may drop keys and their credits"
            let sentence =
                "Redis at \(place) has a maxmemory and the maxmemory-policy \(facts.evictionPolicy): \(consequence); set noeviction."
            guard facts.evictionPolicy.hasPrefix("volatile-") else { return .unfit(sentence) }
            remarks.append(sentence)
        }
        if !facts.keepsFile {
            remarks.append("Redis at \(place) has no append-only file: what it has acknowledged is lost when it ends; set appendonly yes.")
        }
        return .fit(remarks: remarks)
    }
}

/// What `INFO` says of what a Redis keeps.
struct RedisFacts: Equatable {
    private let fields: [String: String]

    init(_ reply: RedisReply) {
        let lines = (reply.string ?? "").split(whereSeparator: \.isNewline)
        fields = lines.reduce(into: [:]) { fields, line in
            guard let colon = line.firstIndex(of: ":") else { return }
            fields[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
    }

    /// What stands under a name.
    subscript(_ name: String) -> String? { fields[name] }

    var isKnown: Bool { !fields.isEmpty }
    var evictionPolicy: String { fields["maxmemory_policy"] ?? "noeviction" }
    var mayEvict: Bool { evictionPolicy != "noeviction" && fields["maxmemory", default: "0"] != "0" }
    var keepsFile: Bool { fields["aof_enabled"] != "0" }
}

/// Every command that the gate and its scripts use, each tried where it does no harm: what a user lacks is named at the start and not found
/// by a call.
///
/// Redis looks at rights before it looks at values: writes meet a value of the wrong kind.
struct RightsTrial {
    let names: [String]
    let commands: [RedisCommand]
    private let prefix: String

    /// The commands besides the greeting's, with arguments that change nothing: `*` is the name that is tried on.
    static let trials: [[String]] = [
        ["SET", "*", "trial", "PX", "5000"],
        ["GET", "*"], ["GETRANGE", "*", "0", "0"], ["SETRANGE", "*", "0", ""], ["INCR", "*"], ["PTTL", "*"], ["PERSIST", "*"],
        ["PEXPIRE", "*", "5000"], ["PEXPIREAT", "*", "1"], ["EXPIRE", "*", "5"],
        ["HGET", "*", "a"], ["HMGET", "*", "a"], ["HGETALL", "*"], ["HEXISTS", "*", "a"], ["HKEYS", "*"], ["HLEN", "*"],
        ["HSCAN", "*", "0"],
        ["HSET", "*", "a", "b"], ["HSETNX", "*", "a", "b"], ["HINCRBY", "*", "a", "1"], ["HDEL", "*", "a"],
        ["SADD", "*", "a"], ["SREM", "*", "a"], ["SCARD", "*"], ["SMEMBERS", "*"], ["SRANDMEMBER", "*"],
        ["ZADD", "*", "1", "a"], ["ZREM", "*", "a"], ["ZCARD", "*"], ["ZCOUNT", "*", "0", "1"], ["ZRANGE", "*", "0", "0"],
        ["ZREVRANGE", "*", "0", "0"], ["ZRANGEBYSCORE", "*", "0", "1"], ["ZSCORE", "*", "a"], ["ZMSCORE", "*", "a"],
        ["ZREMRANGEBYSCORE", "*", "0", "1"],
        ["ZREMRANGEBYRANK", "*", "0", "0"],
        ["XADD", "*", "*", "a", "b"], ["XDEL", "*", "1-1"], ["XRANGE", "*", "-", "+", "COUNT", "1"],
        ["XREVRANGE", "*", "+", "-", "COUNT", "1"], ["XLEN", "*"], ["XTRIM", "*", "MAXLEN", "1"],
        ["RPUSH", "*", "a"], ["LLEN", "*"], ["LRANGE", "*", "0", "0"], ["LSET", "*", "0", "a"], ["LREM", "*", "1", "a"],
        ["LTRIM", "*", "0", "0"],
        ["EXISTS", "*"], ["GETDEL", "*"], ["DEL", "*"], ["UNLINK", "*"], ["TIME"], ["SCRIPT", "LOAD", "return 1"],
        ["EVAL", "return 1", "0"],
        ["EVALSHA", "0000000000000000000000000000000000000000", "0"],
    ]

    init(keys: RedisKeys, waits: Bool, isOfCluster: Bool = false) {
        let name = keys.trial()
        // Words of one letter would be no names of keys, so only the first star of a row stands for one.
        var rows = Self.trials.map { row -> [String] in
            var row = row
            if let place = row.firstIndex(of: "*") { row[place] = name }
            return row
        }
        if waits { rows.append(["WAIT", "0", "1"]) }
        if isOfCluster { rows += [["CLUSTER", "NODES"], ["ASKING"]] }
        // Nobody takes a word that is no topic for a message.
        rows.append(["PUBLISH", keys.channel, "trial"])
        rows.append(["SUBSCRIBE", keys.channel])
        prefix = keys.prefix
        names = rows.map { ["CLUSTER", "SCRIPT"].contains($0[0]) ? $0[0] + "|" + $0[1] : $0[0] }
        commands = rows.map { row in
            var command = RedisCommand(row[0])
            for word in row.dropFirst() { command.append(word) }
            return command
        }
    }

    /// Nil if nothing is missing.
    func verdict(on answers: [RedisReply], of user: String, at place: String) -> RedisExamination? {
        var missing: [String] = []
        for (name, answer) in zip(names, answers) where name != "SUBSCRIBE" {
            guard case .error(let text) = answer else { continue }
            if text.hasPrefix("LOADING") { return .away("is still loading its data") }
            guard text.hasPrefix("NOPERM") else { continue }
            if text.contains("one of the keys") {
                return .unfit(
                    "The user '\(user)' of Redis at \(place) may not touch keys that begin with '\(prefix)'; add ~\(prefix)* to its ACL.")
            }
            if text.contains("one of the channels") {
                return .unfit(
                    "The user '\(user)' of Redis at \(place) may not use channels that begin with '\(prefix)' (\(name)); add &\(prefix)* to its ACL."
                )
            }
            missing.append(name)
        }
        guard let first = missing.first else { return nil }
        let rights = missing.map { "+" + $0.lowercased() }.joined(separator: " ")
        let list = missing.count == 1 ? first : missing.prefix(8).joined(separator: ", ") + (missing.count > 8 ? " …" : "")
        return .unfit("The user '\(user)' of Redis at \(place) may not use \(list); add \(rights) to its ACL.")
    }
}
