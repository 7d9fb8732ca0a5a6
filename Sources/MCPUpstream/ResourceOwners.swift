// Which of several servers a resource is of: URIs are not prefixed as tools are, so that links in answers stay what they are.

import GateDomain
import Synchronization

/// The resources, and templates of resources, that several servers have named.
///
/// A URI belongs to the first server, in the order of the configuration, that names it. Where another one names it too, that one's is shown as
/// `prefix:uri`, which is a URI itself.
package final class ResourceOwners: Sendable {
    private let owners = Mutex<[ExactText: Int]>([:])

    /// URIs that are remembered; those beyond are asked of one server after the other.
    private static let most = 50_000
    /// Bytes of a URI that is remembered.
    private static let longest = 2_048

    /// Remembers what a server has named.
    /// - Parameter index: the server's place in the configuration.
    package func learn(_ uris: [String], of index: Int) {
        owners.withLock { owners in
            for uri in uris where uri.utf8.count <= Self.longest {
                let uri = ExactText(uri)
                if let known = owners[uri], known <= index { continue }
                guard owners.count < Self.most || owners[uri] != nil else { return }
                owners[uri] = index
            }
        }
    }

    /// The place of the server of a URI, if one has named it.
    package func owner(of uri: String) -> Int? {
        guard uri.utf8.count <= Self.longest else { return nil }
        return owners.withLock { $0[ExactText(uri)] }
    }
}
