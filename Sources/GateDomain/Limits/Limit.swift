// A limit is a row: of whom, what is counted, in which window, how much, and what happens when it is reached.

/// A cap on what an account uses; the admission script keeps it exactly over all nodes (R14, R15, M11).
///
/// Its state is a *meter* of the account, named by `name`; two limits of one account never share a name.
package final class Limit: Sendable, Equatable {
    /// What is counted.
    package enum Measure: Sendable, Hashable {
        /// Calls that were admitted and not given back.
        case calls
        /// Credits, as they are held and then as they are charged.
        case credits
        /// Calls that are open at this moment; given back when they end, however they end.
        case inFlight
    }

    /// Over which time it is counted.
    package enum Window: Sendable, Hashable {
        /// Any interval of so many microseconds of Redis TIME; counts calls alone.
        case rolling(Int)
        /// The UTC day, week (from Monday) or month that Redis TIME lies in.
        case calendar(CalendarPeriod)
        /// From the beginning of the account, without an end.
        case lifetime
    }

    /// What happens to a call that would pass the cap.
    package enum Action: Sendable, Hashable {
        /// It is refused.
        case deny
        /// The call goes on, and its receipt says that the limit is passed.
        case warn
    }

    /// Who is limited, for the sentence of the refusal.
    package enum Subject: Sendable, Hashable {
        /// One key.
        case key
        /// One key with one tool.
        case tool(String)
        /// All keys of a team together.
        case team
        /// All calls together, whoever makes them.
        case gate
    }

    /// Names the meter in its account, e.g. `calls`, `calls.day`, `calls:` and a tool, `calls@` and a key; at most 320 bytes.
    package let name: String
    /// Which of the policy's accounts it belongs to: 0 is the key's own.
    package let account: Int
    /// What is counted.
    package let measure: Measure
    /// Over which time.
    package let window: Window
    /// At least 1.
    package let cap: Int
    /// What happens above the cap.
    package let action: Action
    /// Who is limited, for the sentence of a refusal.
    package let subject: Subject
    /// What scripts read of it, packed once: it is the same for every call.
    package let row: LimitRow

    /// Microseconds.
    package static let minute = 60_000_000
    /// The cap of what is only counted: no account ever gets there.
    package static let counted = Credits.balanceCeiling

    package init(
        name: String, account: Int = 0, measure: Measure = .calls, window: Window, cap: Int, action: Action = .deny, subject: Subject = .key
    ) {
        self.name = name
        self.account = account
        self.measure = measure
        self.window = window
        self.cap = cap
        self.action = action
        self.subject = subject
        row = LimitRow(name: name, measure: measure, window: window, cap: cap, action: action)
    }

    package static func == (one: Limit, other: Limit) -> Bool {
        one === other
            || one.name.hasSameBytes(as: other.name) && one.account == other.account && one.measure == other.measure
                && one.window == other.window && one.cap == other.cap && one.action == other.action && one.subject == other.subject
    }
}

/// Which quota was reached: who, what, how often; prints the words of F-DENY-04.
package struct QuotaName: Sendable, Hashable {
    /// Whose quota it is.
    package let subject: Limit.Subject
    /// Calls or credits.
    package let measure: Limit.Measure
    /// The day or month.
    package let window: Limit.Window

    /// The words for a limit; they are made for those over calendar periods.
    package init(_ limit: Limit) {
        subject = limit.subject
        measure = limit.measure
        window = limit.window
    }

    /// E.g. `daily_call_quota_exceeded`, `team_monthly_credit_limit`.
    package var word: String {
        let period =
            switch window {
            case .calendar(.day): "daily"
            case .calendar(.week): "weekly"
            case .calendar(.month): "monthly"
            case .lifetime, .rolling: "lifetime"
            }
        let unit = measure == .credits ? "credit" : "call"
        return subject == .team ? "team_\(period)_\(unit)_limit" : "\(period)_\(unit)_quota_exceeded"
    }
}
