// The sessions that this node has at servers over HTTP, written down where another node finds them when this one is gone.

import ClusterState
import MCPUpstream
import NIOCore

/// Servers keep a session until somebody ends it, and a node that is killed ends nothing: whoever takes over from it does, once.
///
/// Nothing depends on it: a session of which nothing was written, or that could not be ended, lives as long as its server likes.
final class LentSessions: Sendable {
    private let node: String
    private let store: RedisStore
    private let loop: any EventLoop

    /// Bytes of the name of a session that is written down.
    private static let longest = 1_024
    /// Milliseconds that they stay written down without being renewed.
    private static let lifetime = 86_400_000
    /// Sessions that are ended at once.
    private static let atOnce = 16

    /// - Parameters:
    ///   - node: its first name.
    ///   - loop: on which the store is told, one word after the other.
    init(node: String, store: RedisStore, on loop: any EventLoop) {
        (self.node, self.store, self.loop) = (node, store, loop)
    }

    /// Notes that this node has a session at a server, or has none of that name any more; nobody waits for it.
    func note(_ session: HTTPSessionName, _ isThere: Bool) {
        guard session.text.utf8.count <= Self.longest, let link = store.link(of: loop) else { return }
        let command = RedisCommand(isThere ? "SADD" : "SREM", store.keys.serverSessions(of: node), session.text)
        loop.execute { link.value.send(command) { _ in } }
    }

    /// Keeps what is written down for another day.
    var renewal: RedisCommand { RedisCommand("PEXPIRE", store.keys.serverSessions(of: node), String(Self.lifetime)) }

    /// Ends the sessions of a node that is gone, at those servers that this node has as well.
    func end(of dead: String, at upstreams: UpstreamSet) async throws(StoreFailure) {
        let name = store.keys.serverSessions(of: dead)
        while true {
            let page = try await store.send(RedisCommand("SRANDMEMBER", name, String(Self.atOnce))).array?.compactMap(\.string) ?? []
            if page.isEmpty { return }
            // Whoever has struck it out ends it; one that dies before it has is nobody's loss.
            let struck = try await store.sendAll(page.map { RedisCommand(once: "SREM", name, $0) })
            let sessions = zip(page, struck).filter { $1.integer == 1 }.compactMap { HTTPSessionName(text: $0.0) }
            await withDiscardingTaskGroup { group in
                for session in sessions { for upstream in upstreams.all { group.addTask { await upstream.end(session) } } }
            }
        }
    }
}
