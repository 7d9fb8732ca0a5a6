// Which limits a call meets: compiled once from what applies, looked up for each call.

/// The limits of a policy, by tool (F-RATE-01, F-RATE-02, F-QUOTA-01, F-CONC-01).
package struct LimitBook: Sendable {
    private let always: [Limit]
    private let tools: [ExactText: [Limit]]

    /// - Parameters:
    ///   - always: met by every call; the one that headers show is a rolling one, the last of them.
    ///   - tools: what a call of one tool meets besides.
    package init(always: [Limit], tools: [String: [Limit]] = [:]) {
        self.always = always
        // A tool's own limits come last among its own: headers show the tool's window instead of the key's (F-HDR-05).
        self.tools = Dictionary(uniqueKeysWithValues: tools.map { (ExactText($0), always + $1) })
    }

    /// What a call of this tool has to pass, in the order in which it is asked.
    package func limits(for tool: String) -> [Limit] {
        tools.isEmpty ? always : tools[ExactText(tool)] ?? always
    }

    /// Every limit there is, for whoever has to name all meters.
    package var all: [Limit] { always + tools.values.flatMap { $0.dropFirst(always.count) } }
}
