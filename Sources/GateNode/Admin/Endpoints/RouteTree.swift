// Finds the route of a path. Its cost is that of the path's own segments, however many routes there are.

/// Values by path pattern. At each segment a literal wins over a parameter; where the literal leads nowhere, the parameter is tried.
struct RouteTree<Value: Sendable>: Sendable {
    struct Match: Sendable {
        let value: Value
        /// Segments that stand for parameters, from left to right, as they came: still percent-encoded.
        let captures: [Substring]
    }

    private struct Node: Sendable {
        var literals: [Substring: Int] = [:]
        var parameter: Int?
        var value: Value?
    }

    private var nodes = [Node()]
    /// Segments of the longest pattern; a longer path is no route.
    private var depth = 0

    /// - Returns: False, and nothing is added, if the tree has a route of this shape: no path could ever tell the two apart.
    mutating func insert(_ pattern: PathPattern, _ value: Value) -> Bool {
        var index = 0
        for segment in pattern.segments { index = child(of: index, segment) }
        guard nodes[index].value == nil else { return false }
        nodes[index].value = value
        depth = max(depth, pattern.segments.count)
        return true
    }

    private mutating func child(of index: Int, _ segment: PathPattern.Segment) -> Int {
        let next = nodes.count
        switch segment {
        case .literal(let text):
            if let known = nodes[index].literals[text] { return known }
            nodes[index].literals[text] = next
        case .parameter:
            if let known = nodes[index].parameter { return known }
            nodes[index].parameter = next
        }
        nodes.append(Node())
        return next
    }

    /// - Parameter path: without its query. One path is one route: an empty segment makes it another path, which is none, so that whoever
    ///   judges by the path before us (a balancer) cannot be passed by with a second slash.
    func match(_ path: String) -> Match? {
        guard path.utf8.first == UInt8(ascii: "/") else { return nil }
        let segments = path == "/" ? [] : path.dropFirst().split(separator: "/", maxSplits: depth, omittingEmptySubsequences: false)
        guard segments.count <= depth, !segments.contains(where: \.isEmpty) else { return nil }
        var captures: [Substring] = []
        return find(segments[...], from: 0, &captures)
    }

    private func find(_ segments: ArraySlice<Substring>, from index: Int, _ captures: inout [Substring]) -> Match? {
        guard let segment = segments.first else { return nodes[index].value.map { Match(value: $0, captures: captures) } }
        let rest = segments.dropFirst()
        if let literal = nodes[index].literals[segment], let match = find(rest, from: literal, &captures) { return match }
        guard let parameter = nodes[index].parameter else { return nil }
        captures.append(segment)
        if let match = find(rest, from: parameter, &captures) { return match }
        captures.removeLast()
        return nil
    }
}
