// All that a node measures of itself, gathered for one reader.

import ClusterState

/// A snapshot: sums over the event loops, and what only the node as a whole knows.
struct NodeFigures: Sendable {
    /// Calls, requests to `/mcp`, holds, connections, latencies.
    var gate = GateMeter()
    var redis = RedisMeter()
    /// What the store depends on, and whether this node reaches it.
    var storeServers: [StoreServer] = []
    /// Shards of the store, and those that this node can write to.
    var reach = StoreReach(shards: 1, served: 1)
    /// Primaries that have followed one another.
    var failovers = 0
    /// Times that messages of the change feed may have been missed.
    var feedGaps = 0
    var isFeedConnected = true
    /// Nodes of the cluster that are alive, this one among them.
    var nodes = 1
    /// Calls of dead nodes that this node has resolved.
    var reapedCalls = 0
    var inFlight = 0
    var sessions = 0
    /// Things that wait, by the queue that they wait in.
    var queueDepths: [String: Int] = [:]
    /// Events of webhooks by what became of them.
    var webhookEvents: [String: Int] = [:]
    /// Events of the whole gate that wait for sinks; empty where the store does not say.
    var webhookBacklog: [EventBacklog] = []
    var uptimeSeconds = 0
    var isReady = true

    /// Filled in by the router; nil until the keys have been counted.
    var keys: KeyCount?

    init() {}
}

/// Events that wait for one kind of sinks, of the whole gate.
struct EventBacklog: Sendable, Equatable {
    /// `gate` or `keys`.
    let sinks: String
    /// Events.
    let waiting: Int
    /// Since the oldest of them has happened; 0 where none waits.
    let oldestSeconds: Int
}

/// How many keys there are and what they hold.
struct KeyCount: Sendable, Equatable {
    /// Keys that are not revoked.
    var active = 0
    /// Credits of all of them.
    var credits = 0
    /// All keys, revoked ones too.
    var all = KeyTally()
    /// What keys can be made from (F-TPL-03).
    var templates = 0
    /// The same of each namespace; without those that have no sums of their own, where there are thousands.
    var namespaces: [String: KeyTally] = [:]
    /// Milliseconds since 1970 of Redis TIME: what had happened by then is in it.
    var asOf = 0
}

/// Keys by their states, and what they hold.
struct KeyTally: Sendable, Equatable {
    var total = 0
    var active = 0
    var suspended = 0
    /// Neither suspended nor revoked.
    var expired = 0
    var revoked = 0
    var credits = 0
    var spent = 0
    var calls = 0
}
