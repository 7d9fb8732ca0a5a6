// What is sent to a server.

package import NIOCore

/// A request on its way to a server: bytes that are ready to be written, and what has to be known about them.
package struct UpstreamRequest: Sendable {
    /// The id, and the progress token, that replaced the client's (`Upstream.nextNumber`).
    package var number: UInt64
    /// The whole JSON-RPC message with the rewritten id.
    package var bytes: ByteBuffer
    /// When to stop waiting; nil waits as long as the server lives.
    package var deadline: NIODeadline?
    /// Whether it is a tool call: work that may have effects and must not be sent twice.
    package var isCall: Bool
    /// For whom it is asked.
    package var owner: Owner

    /// Whether the gate itself asks, so that no client can be asked anything because of it.
    package var isOfGate: Bool

    /// The client whose own process, or session, of the server gets it; nil for that which all share.
    package var client: UpstreamClient?

    /// The lines of an HTTP head that repeat what the message says (revision 2026-07-28), each with its line end; nil for a server that has
    /// had a handshake.
    package var fields: ByteBuffer?

    /// Its last moment where the clock stands still while the client is asked something; nil if it never does.
    package var limit: NIODeadline?

    /// Whose the answer is, and whatever the server keeps for it.
    package enum Owner: Sendable, Hashable {
        /// For the gate itself: what comes of it is for everybody.
        case gate
        /// For the key of this id.
        case key(String)
        /// For a client without a key, which is nobody in particular.
        case nobody
        /// For whoever reads what everybody may read: what the server says without naming a request is not about it, nor for it.
        case anybody

        /// Nobody has more than three times as much of a server as is left: alone three quarters, two keys three sevenths each, and whoever
        /// comes next finds some. All who have no key are one.
        static let share = 3

        /// Whether it has a share: the gate asks little, and lists are asked for once for everybody.
        var hasShare: Bool {
            switch self {
            case .key, .nobody: true
            case .gate, .anybody: false
            }
        }

        /// Whether it may have one more place.
        /// - Parameters:
        ///   - most: places in all, and those that are taken.
        ///   - own: counts those that it has; asked for only where that can make a difference.
        func mayHave(oneMoreOf most: Int, taken: Int, own: () -> Int) -> Bool {
            let left = most - taken
            guard left > 0 else { return false }
            guard hasShare, taken >= Self.share * left else { return true }
            return own() < Self.share * left
        }
    }

    package init(
        number: UInt64,
        bytes: ByteBuffer,
        deadline: NIODeadline? = nil,
        isCall: Bool = true,
        owner: Owner = .nobody,
        client: UpstreamClient? = nil,
        fields: ByteBuffer? = nil,
        isOfGate: Bool = false
    ) {
        self.isOfGate = isOfGate
        self.fields = fields
        self.number = number
        self.bytes = bytes
        self.deadline = deadline
        self.isCall = isCall
        self.owner = owner
        self.client = client
    }
}
