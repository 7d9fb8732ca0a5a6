// The table of all routes, and what follows from it as a whole.

import HTTPTypes

/// Every endpoint that the node serves, in the order of the documentation.
enum EndpointTable {
    static let all: [Endpoint] = EndpointGroup.allCases.flatMap(\.endpoints)

    /// Every path, once.
    static let paths: Set<String> = Set(all.map(\.path))

    /// The paths with the methods that they know.
    static func byPath(_ endpoints: [Endpoint] = all) -> [(path: String, endpoints: [Endpoint])] {
        Dictionary(grouping: endpoints, by: \.path).map { (path: $0.key, endpoints: $0.value) }.sorted { $0.path < $1.path }
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
    static func index(marksRoles: Bool) -> [String: String] {
        Dictionary(
            all.map { endpoint in
                let isMarked = marksRoles && endpoint.requirement.leastRole != nil
                return (endpoint.pathName, endpoint.path + (isMarked ? " (admin)" : ""))
            }, uniquingKeysWith: { first, _ in first })
    }
}
