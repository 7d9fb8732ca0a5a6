// All that a node measures of itself, gathered for one reader.

package import ClusterState

/// A snapshot: sums over the event loops, and what only the node as a whole knows.
package struct NodeFigures: Sendable {
    /// Calls, requests to `/mcp`, holds, connections, latencies.
    package var gate = GateMeter()
    package var redis = RedisMeter()
    /// Times that messages of the change feed may have been missed.
    package var feedGaps = 0
    package var isFeedConnected = true
    /// Nodes of the cluster that are alive, this one among them.
    package var nodes = 1
    /// Calls of dead nodes that this node has resolved.
    package var reapedCalls = 0
    package var inFlight = 0
    package var sessions = 0
    /// Things that wait, by the queue that they wait in.
    package var queueDepths: [String: Int] = [:]
    package var uptimeSeconds = 0
    package var isReady = true

    /// Filled in by the router; nil until the keys have been counted.
    var keys: KeyCount?

    package init() {}
}

/// How many keys there are and what they hold.
package struct KeyCount: Sendable, Equatable {
    /// Keys that are not revoked.
    var active = 0
    /// Credits of all of them.
    var credits = 0
}
