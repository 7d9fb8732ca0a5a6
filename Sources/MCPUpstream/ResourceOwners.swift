// Which of several servers a resource is of: URIs are not prefixed as tools are, so that links in answers stay what they are.

import GateDomain
import Synchronization

/// The resources, and templates of resources, that several servers have named.
///
/// A URI belongs to the first server, in the order of the configuration, that names it. Where another one names it too, that one's is shown as
/// `prefix:uri`, which is a URI itself. A server that has listed all that it has no longer has what it had before.
package final class ResourceOwners: Sendable {
    /// One list of one server.
    private struct Share {
        let index: Int
        let list: String
        var uris: Set<ExactText>
    }

    /// In the order of the servers.
    private let shares = Mutex<[Share]>([])

    /// URIs that are remembered; those beyond are asked of one server after the other.
    private static let most = 50_000
    /// Bytes of a URI that is remembered.
    private static let longest = 2_048

    /// Remembers what a server has named.
    /// - Parameters:
    ///   - index: the server's place in the configuration.
    ///   - list: the method that lists them.
    ///   - isWhole: whether these are all of the list, so that what it had named before is forgotten.
    package func learn(_ uris: [String], of index: Int, in list: String, isWhole: Bool) {
        let known = Set(uris.lazy.filter { $0.utf8.count <= Self.longest }.map(ExactText.init))
        shares.withLock { shares in
            let place = shares.firstIndex { $0.index == index && $0.list == list }
            let others = shares.enumerated().reduce(0) { $1.offset == place ? $0 : $0 + $1.element.uris.count }
            var share = place.map { shares[$0] } ?? Share(index: index, list: list, uris: [])
            share.uris = isWhole ? known : share.uris.union(known)
            while others + share.uris.count > Self.most, !share.uris.isEmpty { share.uris.removeFirst() }
            if let place {
                shares[place] = share
            } else {
                shares.append(share)
                shares.sort { $0.index < $1.index }
            }
        }
    }

    /// The place of the server of a URI, if one has named it.
    package func owner(of uri: String) -> Int? {
        guard uri.utf8.count <= Self.longest else { return nil }
        let uri = ExactText(uri)
        return shares.withLock { shares in shares.first { $0.uris.contains(uri) }?.index }
    }
}
