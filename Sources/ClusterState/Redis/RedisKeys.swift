// The names of everything in Redis. Braces put all that one decision needs into one shard.

import GateDomain

/// Names under one prefix: `<prefix>{<shard>}:<kind>:…`. A shard is a hash tag and the unit of what is atomic.
///
/// An account, and all that lies with it, lives where its id says (`AccountID.home` mod the number of shards); a credential, an alias, a
/// session and an address where their own digits say; what there is once in a cluster in shard 0.
package struct RedisKeys: Sendable {
    package let prefix: String
    package let database: Int
    /// Shards of the store: 1 for a plain Redis; fixed when the store is first used.
    package let shards: Int
    private let tags: [String]

    package init(prefix: String, database: Int = 0, shards: Int = 1) {
        self.prefix = prefix
        self.database = database
        self.shards = max(1, shards)
        tags = (0..<max(1, shards)).map { "\(prefix){\($0)}:" }
    }

    package func shard(ofHome home: UInt32) -> Int { Int(home) % shards }
    package func shard(of id: String) -> Int { shards == 1 ? 0 : shard(ofHome: AccountID.home(of: id)) }

    // What lies with an account.
    package func account(_ id: String) -> String { tags[shard(of: id)] + "account:" + id }
    package func record(_ id: String) -> String { tags[shard(of: id)] + "record:" + id }
    package func ring(_ id: String, _ limit: String) -> String { tags[shard(of: id)] + "ring:" + id + ":" + limit }
    /// What the names of an account's idempotent calls begin with.
    package func calls(_ id: String) -> String { tags[shard(of: id)] + "call:" + id + ":" }
    /// - Parameter scope: whose operation ids they are, so that nobody meets another's.
    package func operation(_ id: String, _ scope: String) -> String { tags[shard(of: id)] + "op:" + scope }
    /// Ids of the keys of a team; the keys' own records decide.
    package func members(of team: String) -> String { tags[shard(of: team)] + "members:" + team }
    /// Tasks that servers have made of a key's calls, by the time of their making.
    package func tasks(of id: String) -> String { tags[shard(of: id)] + "tasks:" + id }
    package func credentials(of id: String) -> String { tags[shard(of: id)] + "credentials:" + id }

    // What there is once a shard.
    package func open(_ node: String, _ shard: Int) -> String { tags[shard] + "open:" + node }
    package func versions(_ shard: Int) -> String { tags[shard] + "versions" }
    package func usage(_ shard: Int) -> String { tags[shard] + "usage" }
    package func denials(_ shard: Int) -> String { tags[shard] + "denials" }
    package func audit(_ shard: Int) -> String { tags[shard] + "audit" }
    package func feed(_ shard: Int) -> String { tags[shard] + "feed" }
    package func index(_ kind: String, _ shard: Int) -> String { tags[shard] + "index:" + kind }
    package func cursor(_ consumer: String, _ shard: Int) -> String { tags[shard] + "cursor:" + consumer }
    package func rollup(_ hour: Int, _ shard: Int) -> String { tags[shard] + "rollup:" + String(hour) }

    // What lives where its own name says.
    package func credential(_ digest: String) -> String { tags[shard(of: digest)] + "credential:" + digest }
    package func alias(_ alias: String) -> String { tags[shard(ofHome: Self.spread(alias))] + "alias:" + alias }
    package func visits(_ scope: String, _ address: String) -> String {
        tags[shard(ofHome: Self.spread(address))] + "visits:\(scope):\(address)"
    }
    package func streams(_ session: String) -> String { tags[sessionShard(session)] + "streams:" + session }
    package func sessionShard(_ id: String) -> Int { shards == 1 ? 0 : shard(ofHome: Self.spread(id)) }
    /// Sessions that a key opened, and those that nobody did: lists of their own, as the second must not crowd out the first.
    package func sessions(_ shard: Int) -> String { tags[shard] + "sessions" }
    package func guestSessions(_ shard: Int) -> String { tags[shard] + "sessions:guests" }
    package func sessionOwners(_ shard: Int) -> String { tags[shard] + "sessions:owners" }
    package func endedSessions(_ shard: Int) -> String { tags[shard] + "sessions:ended" }

    // What there is once a cluster.
    /// Which node makes the hourly sums.
    package var rollupTurn: String { tags[0] + "rollups:turn" }
    package var nodes: String { tags[0] + "nodes" }
    package var secrets: String { tags[0] + "secrets" }
    /// The channel of the change feed. Publishing ignores databases, so its name carries the one that it speaks of.
    package var channel: String { "\(prefix)\(database):feed" }

    /// A number for a text that has no home of its own (FNV-1a).
    private static func spread(_ text: String) -> UInt32 {
        text.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}
