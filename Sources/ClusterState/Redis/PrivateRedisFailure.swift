// What keeps the node's own Redis from running, in words for whoever started the node.

/// Why the node's own Redis is not there; each case is a sentence for the person who started the node.
package enum PrivateRedisFailure: Error, Equatable {
    /// There is no `redis-server` on the PATH.
    case redisServerMissing
    /// Another node holds the state directory.
    case directoryInUse(directory: String, byProcess: Int32?)
    /// `reason` is a whole sentence for the operator.
    case cannotStart(reason: String)

    /// One sentence for the operator.
    package var sentence: String {
        switch self {
        case .redisServerMissing:
            "There is no redis-server on the PATH. Install it (Debian, Ubuntu: apt-get install redis-server; "
                + "macOS: brew install redis), or name a running Redis with --redis-url."
        case .directoryInUse(let directory, let process):
            "The state directory '\(directory)' belongs to a node that is running"
                + (process.map { " (process \($0))" } ?? "")
                + ". Stop it, choose another --state-dir, or share one Redis between nodes with --redis-url."
        case .cannotStart(let reason): "The private redis-server could not be started: \(reason)"
        }
    }
}
