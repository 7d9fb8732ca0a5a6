// Whose wish it was that a server without sessions tells of a resource: such wishes are few for all of a node, and no key has more than half of them.

import GateDomain
import Synchronization

/// The resources that servers of 2026-07-28 were asked to tell of, each counted for the key that wished for it first.
final class ResourceWishes: Sendable {
    private struct Wish: Hashable {
        let server: Int
        let uri: ExactText
    }

    private struct Holder: Hashable {
        let server: Int
        let key: String
    }

    private struct State {
        var keys: [Wish: String] = [:]
        var shares: [Holder: (count: Int, bytes: Int)] = [:]
    }

    private let state = Mutex(State())

    /// Resources of one server, and bytes of their names, for one key: half of what `UpstreamListening` takes of all.
    static let (most, mostBytes) = (500, 131_072)

    /// Counts a wish for a key; false if that has its share already.
    func take(_ uri: String, of server: Int, for key: String) -> Bool {
        let (wish, holder) = (Wish(server: server, uri: ExactText(uri)), Holder(server: server, key: key))
        return state.withLock { state in
            // It is heard of anyway.
            if state.keys[wish] != nil { return true }
            let share = state.shares[holder] ?? (0, 0)
            guard share.count < Self.most, share.bytes + uri.utf8.count <= Self.mostBytes else { return false }
            state.keys[wish] = key
            state.shares[holder] = (share.count + 1, share.bytes + uri.utf8.count)
            return true
        }
    }

    /// The server tells of it no more, or never did.
    func leave(_ uri: String, of server: Int) {
        state.withLock { state in
            guard let key = state.keys.removeValue(forKey: Wish(server: server, uri: ExactText(uri))) else { return }
            let holder = Holder(server: server, key: key)
            guard let share = state.shares[holder], share.count > 1 else {
                state.shares[holder] = nil
                return
            }
            state.shares[holder] = (share.count - 1, share.bytes - uri.utf8.count)
        }
    }
}
