// Who follows whom, and how far behind: what servers and Sentinels say of it, for those who look after the store.

import GateDomain

/// What a server says of replication in `INFO replication`.
struct ReplicationFacts: Sendable, Equatable {
    /// A replica, as its primary knows it.
    struct Follower: Sendable, Equatable {
        /// `host:port`.
        let place: String
        /// How it follows.
        let following: Following
    }

    /// Bytes of changes that it has made or taken.
    let offset: Int
    /// Of a replica: how it follows, but for the bytes.
    let isLinked: Bool
    /// Of a replica: seconds since it has heard its primary.
    let silence: Int
    /// Of a primary, `mostFollowers` at most.
    let followers: [Follower]

    private static let mostFollowers = 64

    /// Nil where the server says nothing of it.
    init?(_ reply: RedisReply) {
        let facts = RedisFacts(reply)
        guard let role = facts["role"] else { return nil }
        isLinked = facts["master_link_status"] == "up"
        silence = max(0, facts["master_last_io_seconds_ago"].flatMap { Int($0) } ?? 0)
        let name = role == "master" ? "master_repl_offset" : "slave_repl_offset"
        let offset = facts[name].flatMap { Int($0) } ?? 0
        self.offset = offset
        var followers: [Follower] = []
        for number in 0..<Self.mostFollowers {
            guard let line = facts["slave\(number)"] else { break }
            if let follower = Self.follower(line, of: offset) { followers.append(follower) }
        }
        self.followers = followers
    }

    /// `ip=10.0.0.2,port=6379,state=online,offset=4711,lag=0`
    private static func follower(_ line: String, of offset: Int) -> Follower? {
        let pairs = line.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        let fields = Dictionary(
            pairs.compactMap { $0.count == 2 ? ($0[0], $0[1]) : nil }, uniquingKeysWith: { first, _ in first })
        guard let host = fields["ip"], let port = fields["port"].flatMap({ Int($0) }) else { return nil }
        func number(_ name: String) -> Int { fields[name].flatMap { Int($0) } ?? 0 }
        let following = Following(
            isLinked: fields["state"] == "online", seconds: max(0, number("lag")), bytes: max(0, offset - number("offset")))
        return Follower(place: RedisURL.Server.tcp(host: host, port: port).text, following: following)
    }
}

/// How a replica follows its primary.
package struct Following: Sendable, Equatable {
    /// Whether its primary feeds it.
    package let isLinked: Bool
    /// Seconds since the two have heard of each other.
    package let seconds: Int
    /// Changes that it had not taken when it was asked, in bytes.
    package let bytes: Int
}

/// A replica as one Sentinel knows it.
struct SentinelReplica: Sendable, Equatable {
    /// `host:port`.
    let place: String
    /// Whether the Sentinel reaches it.
    let isUp: Bool

    private static let most = 64

    /// The answer to `SENTINEL REPLICAS`; nobody where it is refused.
    static func all(in reply: RedisReply) -> [SentinelReplica] {
        (reply.array ?? []).prefix(most).compactMap { entry in
            let fields = entry.fields
            guard let host = fields["ip"], let port = fields["port"].flatMap({ Int($0) }) else { return nil }
            let flags = (fields["flags"] ?? "").split(separator: ",")
            return SentinelReplica(
                place: RedisURL.Server.tcp(host: host, port: port).text,
                isUp: !flags.contains { ["s_down", "o_down", "disconnected"].contains($0) })
        }
    }

    /// What most of the Sentinels say of each that any of them knows, by their names.
    static func agreed(_ words: [[SentinelReplica]]) -> [SentinelReplica] {
        let votes = words.joined().reduce(into: [String: Int]()) { votes, word in votes[word.place, default: 0] += word.isUp ? 1 : -1 }
        return votes.sorted { $0.key < $1.key }.prefix(most).map { SentinelReplica(place: $0.key, isUp: $0.value > 0) }
    }
}

/// Asks the primary who follows it, once a second at most, however many want to know.
actor ReplicationReader {
    private var last: (facts: ReplicationFacts?, at: ContinuousClock.Instant)?
    private var underWay: Task<ReplicationFacts?, Never>?

    private static let freshness = Duration.seconds(1)

    /// What it has said last; nil where it says nothing.
    func facts(_ ask: @escaping @Sendable () async -> RedisReply?) async -> ReplicationFacts? {
        if let last, ContinuousClock.now - last.at < Self.freshness { return last.facts }
        if let underWay { return await underWay.value }
        // Owned by this actor: one at a time, as long as a command may take.
        let task = Task { await ask().flatMap { ReplicationFacts($0) } }
        underWay = task
        let facts = await task.value
        (last, underWay) = ((facts, .now), nil)
        return facts
    }
}
