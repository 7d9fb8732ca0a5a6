// The table of all routes, and what follows from it as a whole.

import HTTPTypes

/// Every endpoint that the node serves, in the order of the documentation.
enum EndpointTable {
    static let all: [Endpoint] = EndpointGroup.allCases.flatMap(\.endpoints)

    /// Every path, once.
    static let paths: Set<String> = Set(all.map(\.path))

    /// The paths with the methods that they know.
    static let byPath: [(path: String, endpoints: [Endpoint])] = Dictionary(grouping: all, by: \.path)
        .map { (path: $0.key, endpoints: $0.value) }.sorted { $0.path < $1.path }

    /// What an index page shows: camel-case names and paths (`reference-answers.md`).
    /// - Parameter marksRoles: adds `(admin)` to the paths that need an admin key.
    static func index(marksRoles: Bool) -> [String: String] {
        Dictionary(
            all.map { endpoint in
                guard marksRoles, case .atLeast = endpoint.role else { return (endpoint.pathName, endpoint.path) }
                return (endpoint.pathName, endpoint.path + " (admin)")
            }, uniquingKeysWith: { first, _ in first })
    }
}
