// The sessions that this node has at servers over HTTP, written down where another node finds them when this one is gone.

import ClusterState
import MCPUpstream
import NIOCore

/// Servers keep a session until somebody ends it, and a node that is killed ends nothing: whoever takes over from it does, once.
/// A node that only stood still, and was taken for dead, finds that out from its servers and opens new ones.
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

    /// Ends the sessions that a node which is gone has left, at those servers that this node has as well: none that it opens should it live
    /// after all, and none that a node which lives has, too, as a server may give all of them the same name.
    func end(of dead: String, at upstreams: UpstreamSet) async throws(StoreFailure) {
        var rest = Array(try await names(of: [dead]))[...]
        let used = try await rest.isEmpty ? [] : names(of: Membership.living(in: store).subtracting([dead]))
        while !rest.isEmpty, try await !Membership.living(in: store).contains(dead) {
            let page = rest.prefix(Self.atOnce)
            rest = rest.dropFirst(Self.atOnce)
            // Whoever has struck it out ends it; one that dies before it has is nobody's loss.
            let struck = try await store.sendAll(page.map { RedisCommand(once: "SREM", store.keys.serverSessions(of: dead), $0) })
            let sessions = zip(page, struck).filter { $1.integer == 1 && !used.contains($0) }.compactMap { HTTPSessionName(text: $0.0) }
            await withDiscardingTaskGroup { group in
                for session in sessions { for upstream in upstreams.all { group.addTask { await upstream.end(session) } } }
            }
        }
    }

    private func names(of nodes: Set<String>) async throws(StoreFailure) -> Set<String> {
        let replies = try await store.sendAll(nodes.map { RedisCommand("SMEMBERS", store.keys.serverSessions(of: $0)) })
        return Set(replies.flatMap { $0.array ?? [] }.compactMap(\.string))
    }
}
