// Requests under way that their clients may give up, and their tickets at the servers.

import GateDomain
import MCPUpstream
import NIOCore

/// A request under way that its client may give up.
protocol CancellableRequest: AnyObject {
    var exchange: MCPExchange { get }

    /// Gives it up, wherever it is; it then ends as one that was given up.
    func cancel()
}

/// Whose request is meant by a `notifications/cancelled`: ids are only unique within a session, and only who has asked may give up.
struct CancelKey: Hashable {
    let session: String
    /// The id of the key that called; empty for nobody's.
    let caller: String
    /// The raw token of the client's id.
    let id: [UInt8]

    /// Bytes of an id that can be given up.
    static let longestID = ClientText.cancelledID

    /// Nil for an id that is longer than anybody's.
    init?(session: String, caller: String, id: [UInt8]) {
        guard id.count <= Self.longestID else { return nil }
        self.session = session
        self.caller = caller
        self.id = id
    }

    /// As the change feed carries it: no space, whatever the client calls its requests.
    var word: String { "\(session)/\(caller)/\(Hex.string(id))" }

    init?(word: String) {
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let id = Hex.bytes(parts[2]) else { return nil }
        self.init(session: String(parts[0]), caller: String(parts[1]), id: id)
    }
}

/// A request that is under way upstream.
struct UpstreamTicket {
    let upstream: any Upstream
    let number: UInt64
    /// All its rounds, at a server of the revision 2026-07-28.
    var rounds: UpstreamRounds?

    /// Tells the server that nobody waits any more.
    func cancel(on loop: any EventLoop) {
        if let rounds { rounds.cancel() } else { upstream.cancel(number, on: loop) }
    }
}
