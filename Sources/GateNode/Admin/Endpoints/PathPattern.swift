// The path of a route with its parameters: `/api/keys/:id/revoke`.

/// Literal segments and parameters; written with colons, and in braces for OpenAPI.
struct PathPattern: Sendable, Equatable {
    enum Segment: Sendable, Equatable {
        case literal(Substring)
        case parameter(Substring)
    }

    let segments: [Segment]

    init(_ path: String) {
        segments = path.split(separator: "/").map { $0.first == ":" ? .parameter($0.dropFirst()) : .literal($0) }
    }

    /// Names of the parameters, from left to right.
    var parameters: [String] {
        segments.compactMap { if case .parameter(let name) = $0 { String(name) } else { nil } }
    }

    /// As OpenAPI writes it: `/api/keys/{id}/revoke`.
    var template: String { text { "{\($0)}" } }

    /// What tells routes apart: two paths that differ in the names of their parameters alone are one.
    var shape: String { text { _ in ":" } }

    private func text(_ parameter: (Substring) -> String) -> String {
        "/"
            + segments.map { segment in
                switch segment {
                case .literal(let text): String(text)
                case .parameter(let name): parameter(name)
                }
            }.joined(separator: "/")
    }
}
