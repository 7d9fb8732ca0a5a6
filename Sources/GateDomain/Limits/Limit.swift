// A limit is a row: how often, in which window, and what is said when it is reached.

/// A cap on admissions in a rolling window; the script keeps it exactly over all nodes (`spec/invariants.md` R14, R15).
package struct Limit: Sendable, Equatable {
    /// Names the limit's own state in the account, e.g. `calls` or `calls:search`.
    package let name: String
    /// Admissions a window; at least 1.
    package let cap: Int
    /// Length of the window in microseconds of Redis TIME.
    package let window: Int
    /// Who is limited, for the sentence of the refusal.
    package let subject: Subject

    package enum Subject: Sendable, Equatable {
        case key
        case tool(String)
    }

    package static let minute = 60_000_000

    package init(name: String, cap: Int, window: Int, subject: Subject) {
        self.name = name
        self.cap = cap
        self.window = window
        self.subject = subject
    }

    /// What a caller is told when it is reached.
    package func denial(wait: Int) -> Denial {
        switch subject {
        case .key: .rateLimited(waitMicroseconds: wait)
        case .tool(let tool): .toolRateLimited(tool, waitMicroseconds: wait)
        }
    }
}

/// The limits that a gate's settings put on every key (F-RATE-01, F-RATE-02).
package struct LimitBook: Sendable {
    private let perKey: Limit?
    private let tools: [String: Limit]

    /// - Parameters:
    ///   - callsPerMinute: per key, 0 for none.
    ///   - toolCallsPerMinute: per key and tool; 0 for none.
    package init(callsPerMinute: Int, toolCallsPerMinute: [String: Int]) {
        perKey = callsPerMinute > 0 ? Limit(name: "calls", cap: callsPerMinute, window: Limit.minute, subject: .key) : nil
        tools = toolCallsPerMinute.filter { $0.value > 0 }.reduce(into: [:]) { limits, entry in
            limits[entry.key] = Limit(
                name: "calls:" + entry.key, cap: entry.value, window: Limit.minute, subject: .tool(entry.key))
        }
    }

    /// The limits that a call must pass, the one that its headers show last (F-HDR-05).
    package func limits(for tool: String) -> [Limit] {
        [perKey, tools[tool]].compactMap(\.self)
    }
}
