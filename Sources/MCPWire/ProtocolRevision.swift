// The revisions of MCP, named once: what a handshake may agree on, what a header may say, what the gate says upstream.

/// A revision of MCP by its date; the cases are in the order newest first.
package enum ProtocolRevision: String, Sendable, CaseIterable {
    /// Without sessions: each request says everything itself.
    case july2026 = "2026-07-28"
    /// The newest one with a handshake.
    case november2025 = "2025-11-25"
    /// Adds `MCP-Protocol-Version` and takes batches of JSON-RPC away.
    case june2025 = "2025-06-18"
    /// The first one with Streamable HTTP.
    case march2025 = "2025-03-26"
    /// The first one.
    case november2024 = "2024-11-05"

    /// How the requests of a client belong together.
    package enum Era: Sendable {
        /// `initialize` agrees on a revision; what follows belongs to that session.
        case session
        /// Each request says everything itself; there is no handshake.
        case stateless
    }

    /// The era that the revision belongs to.
    package var era: Era {
        switch self {
        case .july2026: .stateless
        case .november2025, .june2025, .march2025, .november2024: .session
        }
    }

    /// Whether its clients may send several messages as an array (Base Protocol of 2025-03-26, Batching).
    package var takesArrays: Bool { self == .march2025 }

    /// The revisions that a handshake can agree on, newest first.
    package static let served = allCases.filter { $0.era == .session }

    /// The revisions that a client may name, newest first: those of both eras.
    package static let supported = allCases

    /// The newest revision that a handshake can agree on; what the gate proposes to servers.
    package static let newest = november2025

    /// The revision with this name, of either era, or nil.
    package static func supported(named name: String) -> Self? {
        name.utf8.count <= Envelope.longestName ? Self(rawValue: name) : nil
    }

    /// The revision with this name that a handshake can agree on, or nil.
    package static func served(named name: String) -> Self? {
        guard name.utf8.count <= Envelope.longestName else { return nil }
        return Self(rawValue: name).flatMap { served.contains($0) ? $0 : nil }
    }

    /// What the answer to `initialize` says: the requested revision where it is served, else the newest (Lifecycle, Version Negotiation).
    /// - Parameter requested: nil where the client named none.
    package static func agreed(on requested: String?) -> Self {
        requested.flatMap(served(named:)) ?? newest
    }
}
