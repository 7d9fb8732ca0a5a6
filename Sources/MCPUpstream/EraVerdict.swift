// Of which era a server is, by what it says to `server/discover` (2026-07-28, Versioning).

import MCPWire
import NIOCore

/// What a server's answer to `server/discover` means.
enum EraVerdict {
    /// It is spoken to in the revision 2026-07-28; with what it has said of itself, if it has.
    case stateless(InitializeResult?)
    /// It is spoken to after a handshake.
    case sessions

    /// Nil if there is no answer.
    init?(_ outcome: UpstreamOutcome) {
        guard case .answered(let message, let reply) = outcome else { return nil }
        self.init(message, reply)
    }

    init(_ message: ByteBuffer, _ reply: Reply) {
        switch reply.kind {
        case .result:
            guard let range = reply.result, let slice = message.getSlice(at: message.readerIndex + range.lowerBound, length: range.count),
                Self.names(ProtocolRevision.july2026, in: Self.value(slice)?["supportedVersions"])
            else {
                self = .sessions
                return
            }
            self = .stateless(InitializeResult(bytes: slice))
        // Only a server of this revision has these codes; what else it wants it says to requests.
        case .error(-32020), .error(-32021): self = .stateless(nil)
        case .error, .request, .notification: self = .sessions
        }
    }

    private static func value(_ bytes: ByteBuffer) -> JSONValue? { try? JSONValue.parse(Array(bytes.readableBytesView)) }

    private static func names(_ revision: ProtocolRevision, in versions: JSONValue?) -> Bool {
        versions?.arrayValue?.contains { $0.stringValue?.utf8.elementsEqual(revision.rawValue.utf8) ?? false } ?? false
    }
}
