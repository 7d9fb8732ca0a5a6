// Who asks, on the way of calls: what an event loop remembers of a credential, or what Redis says of it.

import ClusterState
import GateDomain
import NIOCore

/// The door of `/mcp`; confined to its event loop. What is not remembered is looked up as the admin API does it (`CredentialLookup`).
struct LoopAuthenticator {
    let cache: KeyCache
    let eventLoop: any EventLoop
    let clock: RedisClock

    /// Finds the key of a credential: remembered, or read from Redis if it is not or if `fresh` is asked for.
    /// The completion comes on this loop, with whether Redis was read for it.
    func identify(_ secret: String, fresh: Bool, _ completion: @escaping (KeyLookup, Bool) -> Void) {
        if !fresh, let known = cache.assumeIsolated({ $0.remembered(secret) }) { return completion(.found(known), false) }
        let bound = NIOLoopBound(completion, eventLoop: eventLoop)
        cache.assumeIsolated { $0.load(secret) { bound.value($0, true) } }
    }

    /// Whether whoever listens with a credential may go on listening: its key is there and active. Where nobody can say, it may.
    /// - Parameter fresh: whether the store is asked, whatever is remembered.
    func mayListen(_ credential: String?, fresh: Bool = false, _ answer: @escaping (Bool) -> Void) {
        guard let credential else { return answer(true) }
        identify(credential, fresh: fresh) { lookup, _ in
            switch lookup {
            case .found(let key): answer(key.record.state == .active && !key.record.isExpired(at: clock.milliseconds))
            case .unknown: answer(false)
            case .failed: answer(true)
            }
        }
    }

    /// The id of the key that a secret proves or a token lends, where it is remembered; asks nobody.
    func owner(of secret: String) -> String? { cache.assumeIsolated { $0.owner(of: secret) } }
}
