// The endpoints of a router, and what follows from them as a whole.

import HTTPTypes
import MCPWire

/// Endpoints under their tags, in the order of the documentation.
struct EndpointTable: Sendable {
    struct Group: Sendable {
        /// The name of the group in the documentation.
        let tag: String
        /// One sentence.
        let help: String
        let endpoints: [Endpoint]
    }

    let groups: [Group]
    /// The endpoints of all groups.
    let all: [Endpoint]
    /// The OpenAPI document.
    let document: JSONValue

    init(_ groups: [Group]) {
        self.groups = groups
        all = groups.flatMap(\.endpoints)
        document = OpenAPIDocument.document(of: groups)
    }

    /// Every path, once.
    var paths: Set<String> { Set(all.map(\.path)) }

    /// The paths with the methods that they know.
    var byPath: [(path: String, endpoints: [Endpoint])] {
        Dictionary(grouping: all, by: \.path).map { (path: $0.key, endpoints: $0.value) }.sorted { $0.path < $1.path }
    }

    /// Routes that no request could tell apart: two of one method on paths of one shape, and paths of one shape that name their
    /// parameters differently.
    static func clashes(in endpoints: [Endpoint]) -> [String] {
        Dictionary(grouping: endpoints, by: \.pattern.shape).values.flatMap { same in
            let paths = Set(same.map(\.path)).sorted()
            let twice = Dictionary(grouping: same, by: \.method).filter { $0.value.count > 1 }.map {
                "\($0.key.rawValue) \(paths[0]) is there twice"
            }
            return (paths.count > 1 ? [paths.joined(separator: " and ") + " are one path"] : []) + twice
        }.sorted()
    }

    /// What an index page shows: camel-case names and paths, as existing clients read it.
    /// - Parameter marksRoles: adds `(admin)` to the paths that need an admin key.
    func index(marksRoles: Bool) -> [String: String] {
        Dictionary(
            all.map { endpoint in
                let isMarked = marksRoles && endpoint.requirement.leastRole != nil
                return (endpoint.pathName, endpoint.path + (isMarked ? " (admin)" : ""))
            }, uniquingKeysWith: { first, _ in first })
    }
}
