// The names of everything in Redis. Braces put all that one decision needs into one shard.

import GateDomain

/// Names under one prefix: `<prefix>{<shard>}:<kind>:…`. A shard is a hash tag and the unit of what is atomic.
///
/// An account, and all that lies with it, lives where its id says (`AccountID.home` mod the number of shards); a credential, an alias, a
/// session and an address where their own digits say; what there is once in a cluster in shard 0.
package struct RedisKeys: Sendable {
    /// What every name begins with, e.g. `pg:`.
    package let prefix: String
    /// The number of the database, 0 for most.
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

    /// The shard of an account by its home; 0 to `shards` - 1.
    package func shard(ofHome home: UInt32) -> Int { Int(home) % shards }
    /// The shard of an account by its id.
    package func shard(of id: String) -> Int { shards == 1 ? 0 : shard(ofHome: AccountID.home(of: id)) }

    // What lies with an account.
    /// A hash: money, versions and meters.
    package func account(_ id: String) -> String { tags[shard(of: id)] + "account:" + id }
    /// A hash: the fields of a key, a team or a switch.
    package func record(_ id: String) -> String { tags[shard(of: id)] + "record:" + id }
    /// A string: the slots of a sliding window. - Parameter limit: the limit's name.
    package func ring(_ id: String, _ limit: String) -> String { tags[shard(of: id)] + "ring:" + id + ":" + limit }
    /// What the names of an account's idempotent calls begin with.
    package func calls(_ id: String) -> String { tags[shard(of: id)] + "call:" + id + ":" }
    /// - Parameter scope: whose operation ids they are, so that nobody meets another's.
    package func operation(_ id: String, _ scope: String) -> String { tags[shard(of: id)] + "op:" + scope }
    /// Ids of the keys of a team; the keys' own records decide.
    package func members(of team: String) -> String { tags[shard(of: team)] + "members:" + team }
    /// Tasks that servers have made of a key's calls, by the time of their making.
    package func tasks(of id: String) -> String { tags[shard(of: id)] + "tasks:" + id }
    /// A list: what a key was charged for a task, and the name of each charge.
    /// - Parameter task: of one length whatever its server calls it.
    package func taskCharge(of id: String, _ task: String) -> String { tags[shard(of: id)] + "tasks:charged:" + id + ":" + task }
    /// A hash: what is known of a task, as `TaskRecord` has it.
    package func taskFacts(of id: String, _ task: String) -> String { tags[shard(of: id)] + "tasks:facts:" + id + ":" + task }
    /// There while somebody asks a server what has become of a task.
    package func taskInquiry(of id: String, _ task: String) -> String { tags[shard(of: id)] + "tasks:asked:" + id + ":" + task }
    /// A hash: credits of a key that are set aside without a node, as `reservation.lua` says.
    package func reservations(of id: String) -> String { tags[shard(of: id)] + "reservations:" + id }
    /// A hash: which credentials a key has.
    package func credentials(of id: String) -> String { tags[shard(of: id)] + "credentials:" + id }

    // What there is once a shard.
    /// A hash: what one name of a node has open, or has closed and may be asked about.
    package func open(_ node: String, _ shard: Int) -> String { tags[shard] + "open:" + node }
    /// A string that is written to see whether it can be; it expires.
    func probe(_ shard: Int) -> String { tags[shard] + "probe" }
    /// A hash: versions of what policies are made of besides accounts.
    package func versions(_ shard: Int) -> String { tags[shard] + "versions" }
    /// A stream: calls that were charged, or let pass.
    package func usage(_ shard: Int) -> String { tags[shard] + "usage" }
    /// A stream: refused calls.
    package func denials(_ shard: Int) -> String { tags[shard] + "denials" }
    /// A stream: changes by admins.
    package func audit(_ shard: Int) -> String { tags[shard] + "audit" }
    /// A number: the last message of the change feed.
    package func feed(_ shard: Int) -> String { tags[shard] + "feed" }
    /// A sorted set: all records of a kind by the time of their making.
    package func index(_ kind: String, _ shard: Int) -> String { tags[shard] + "index:" + kind }
    /// A set: keys whose money has moved outside of a call since the orders by it were brought up to date.
    package func touchedKeys(_ shard: Int) -> String { tags[shard] + "keys.touched" }
    /// A hash: how far the orders of keys have been made.
    package func keyOrders(_ shard: Int) -> String { tags[shard] + "keys.orders" }
    /// A hash: what the keys add up to.
    package func keySums(_ shard: Int) -> String { tags[shard] + "keys.sums" }
    /// A sorted set: keys by the moment at which something of theirs that is set aside is due.
    package func reserved(_ shard: Int) -> String { tags[shard] + "reserved" }
    /// A sorted set: the tasks of the shard's keys, by the time of their making.
    package func knownTasks(_ shard: Int) -> String { tags[shard] + "tasks.known" }
    /// A sorted set: those of which the end is not known, by the time at which their servers are asked.
    package func dueTasks(_ shard: Int) -> String { tags[shard] + "tasks.due" }
    /// A string: how far a consumer has read.
    package func cursor(_ consumer: String, _ shard: Int) -> String { tags[shard] + "cursor:" + consumer }
    /// A hash: the sums of an hour. - Parameter hour: since 1970, UTC.
    package func rollup(_ hour: Int, _ shard: Int) -> String { tags[shard] + "rollup:" + String(hour) }
    /// A hash: how often the sums of each hour have changed.
    package func rollupHours(_ shard: Int) -> String { tags[shard] + "rollups:hours" }

    // What lives where its own name says.
    /// A hash: whose a credential is. - Parameter digest: SHA-256 in hex digits.
    package func credential(_ digest: String) -> String { tags[shard(of: digest)] + "credential:" + digest }
    /// A hash: whose an alias is.
    package func alias(_ alias: String) -> String { tags[shard(ofHome: Self.spread(alias))] + "alias:" + alias }
    /// A hash: whose the alias is that has this SHA-256. - Parameter digest: in hex digits.
    package func aliasDigest(_ digest: String) -> String { tags[shard(of: digest)] + "alias:sha256:" + digest }
    /// A string: the window of one address in one scope.
    package func visits(_ scope: String, _ address: String) -> String {
        tags[shard(ofHome: Self.spread(address))] + "visits:\(scope):\(address)"
    }
    /// A string: the key that a task belongs to. - Parameter task: SHA-256 in hex digits of what its server calls it.
    package func taskOwner(_ task: String) -> String { tags[shard(of: task)] + "task:" + task }
    /// A sorted set: places of a session's live streams.
    package func streams(_ session: String) -> String { tags[sessionShard(session)] + "streams:" + session }
    /// A string: a client's answer to a question that came over another node. - Parameter id: of the question.
    package func answer(_ id: String) -> String { tags[sessionShard(id)] + "answer:" + id }
    /// A stream: what servers have said to a session outside of its requests.
    package func mail(_ session: String) -> String { tags[sessionShard(session)] + "mail:" + session }
    /// A string: the last message of a session that a stream has taken.
    package func takenMail(_ session: String) -> String { tags[sessionShard(session)] + "mail:taken:" + session }
    /// A hash: the resources that a session has subscribed to, as `subscription.lua` has it.
    package func subscriptions(of session: String) -> String { tags[sessionShard(session)] + "subscriptions:" + session }
    /// A list: which stream of a session has taken what of its mail.
    package func mailRuns(_ session: String) -> String { tags[sessionShard(session)] + "mail:runs:" + session }
    /// A hash: which news of each list a session has been told, and on which stream.
    package func toldNews(_ session: String) -> String { tags[sessionShard(session)] + "mail:told:" + session }
    /// A string: which reader has the stream of a call that is resumed; expires.
    package func mailReader(_ stream: String) -> String { tags[sessionShard(stream)] + "mail:reader:" + stream }
    /// A hash of one number: bytes of a key's streams of calls that went through the store in a period; expires.
    /// - Parameters:
    ///   - holder: the id of the key that opened the sessions; nil for those of all.
    ///   - way: what was done with them.
    package func mailShare(of holder: String?, _ way: String, period: Int) -> String {
        let name = holder ?? "all"
        return tags[sessionShard(name)] + "mail:share:\(way):\(name):\(period)"
    }
    /// Where a session lies.
    package func sessionShard(_ id: String) -> Int { shards == 1 ? 0 : shard(ofHome: Self.spread(id)) }
    /// Sessions that a key opened, and those that nobody did: lists of their own, as the second must not crowd out the first.
    package func sessions(_ shard: Int) -> String { tags[shard] + "sessions" }
    /// A sorted set: sessions that were opened without a known key.
    package func guestSessions(_ shard: Int) -> String { tags[shard] + "sessions:guests" }
    /// A hash: digests of the credentials that opened sessions.
    package func sessionOwners(_ shard: Int) -> String { tags[shard] + "sessions:owners" }
    /// A sorted set: sessions that were ended before their time.
    package func endedSessions(_ shard: Int) -> String { tags[shard] + "sessions:ended" }

    // What there is once a cluster.
    /// A hash: the last news of each list of the servers.
    package var news: String { tags[0] + "mail:news" }
    /// A stream: what rules have found in calls.
    package var violations: String { tags[0] + "violations" }
    /// A hash: how many calls were compared with the schemas of their tools.
    package var schemaTotals: String { tags[0] + "schemas:checked" }
    /// A hash: when each admin key was last used.
    package var adminUses: String { tags[0] + "admins:used" }
    /// All that webhooks need besides their records. - Parameter part: as `WebhookQueue` says.
    func webhooks(_ part: String) -> String { tags[0] + "webhooks:" + part }
    /// There for as long as nobody need look for keys that expire soon.
    package var expiryScan: String { tags[0] + "expiries:scanned" }
    /// A number: warnings of expiries so far.
    package var expiryWarnings: String { tags[0] + "expiries:warned" }
    /// Which node makes the hourly sums.
    package var rollupTurn: String { tags[0] + "rollups:turn" }
    /// A hash: when each node was last heard.
    package var nodes: String { tags[0] + "nodes" }
    /// A set: nodes that may hold something at servers for others, by their first names.
    package var holders: String { tags[0] + "holders" }
    /// A set: the sessions that a node has at servers over HTTP.
    package func serverSessions(of node: String) -> String { tags[0] + "servers:sessions:" + node }
    /// A hash: what the nodes agree on at their start.
    package var secrets: String { tags[0] + "secrets" }
    /// What is written into a store about the move into it.
    func move(_ part: MovePart) -> String { tags[0] + "move:" + part.rawValue }

    /// What is known of a move, all of it in shard 0.
    enum MovePart: String {
        /// Who moves; expires.
        case lease
        /// There while the target is no store yet: what the source had for `min-replicas-to-write`.
        case underWay = "under-way"
        /// There with it: the session secret of the store that is moved, which no other store has.
        case source
        /// The move's id, once the target is the store.
        case arrived
        /// A hash: nodes of the source that ask the target whether it is the store; expires.
        case followers
    }
    /// The channel of the change feed. Publishing ignores databases, so its name carries the one that it speaks of.
    package var channel: String { "\(prefix)\(database):feed" }

    /// A name that nothing else has, to try commands on.
    func trial() -> String { tags[0] + "trial:" + RandomHex.digits(16) }

    /// A number for a text that has no home of its own (FNV-1a).
    private static func spread(_ text: String) -> UInt32 {
        text.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}
