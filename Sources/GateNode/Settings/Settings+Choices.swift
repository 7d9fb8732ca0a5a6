// The settings whose values are words.

extension Settings {
    /// What a node does with calls while its store is away.
    package enum OnStoreLoss: String, Sendable, CaseIterable {
        /// Refuse at once, retryable.
        case deny
        /// Let rate limits pass; credits are refused all the same.
        case open
    }

    /// What the reaper does with the credits of a call whose node died.
    package enum UnknownCalls: String, Sendable, CaseIterable {
        case refund, keep
    }

    package enum LogLevel: String, Sendable, CaseIterable {
        case debug, info, warn, error, silent
    }

    package enum LogFormat: String, Sendable, CaseIterable {
        case text, json
    }
}
