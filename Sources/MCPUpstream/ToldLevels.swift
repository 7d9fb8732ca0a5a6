// From which level on servers with a handshake tell of logs, as they were told.

import Synchronization

/// A level is the whole connection's, whoever has set it: so a server that all share is told the least urgent one that anybody wants, and each
/// client hears what is its own. Ranks are those of MCP Logging: 0 for debug to 7 for emergency.
package final class ToldLevels: Sendable {
    private struct Own: Hashable {
        let upstream: ObjectIdentifier
        let session: String
    }

    private struct State {
        /// Of servers that all share.
        var shared: [ObjectIdentifier: Int] = [:]
        /// Of servers of single sessions.
        var own: [Own: Int] = [:]
    }

    private let told = Mutex(State())

    /// Servers of single sessions that are remembered.
    private static let most = 4096

    /// Whether the server has to be told, which is then taken for done: for one that all share if the level is lower than what it was told, for
    /// that of a session if it is another one.
    /// - Parameter session: whose own server it is; nil for that which all share.
    package func isNews(_ rank: Int, for upstream: any Upstream, of session: String? = nil) -> Bool {
        told.withLock { told in
            guard let session else {
                if let known = told.shared[ObjectIdentifier(upstream)], known <= rank { return false }
                told.shared[ObjectIdentifier(upstream)] = rank
                return true
            }
            let name = Own(upstream: ObjectIdentifier(upstream), session: session)
            if told.own[name] == rank { return false }
            if told.own.count >= Self.most { told.own = [:] }
            told.own[name] = rank
            return true
        }
    }

    /// Whether a server that all share was told any.
    package var isAny: Bool { told.withLock { !$0.shared.isEmpty } }

    /// The server has not taken it.
    package func forget(_ upstream: any Upstream, of session: String? = nil) {
        told.withLock { told in
            if let session {
                told.own[Own(upstream: ObjectIdentifier(upstream), session: session)] = nil
            } else {
                told.shared[ObjectIdentifier(upstream)] = nil
            }
        }
    }

    /// A server has come, and knows nothing of what was told to the one before it.
    package func forgetAll() { told.withLock { $0 = State() } }
}
