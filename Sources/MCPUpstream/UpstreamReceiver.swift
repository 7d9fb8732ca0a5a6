// The other end of a forwarded request.

package import MCPWire
package import NIOCore

/// Receives what becomes of one request. It lives on one event loop and is only called there.
package protocol UpstreamReceiver: AnyObject {
    /// A notification of the server that belongs to this request (progress, log). Its ids and tokens are the
    /// rewritten ones; the ranges of `reply` are offsets from the first readable byte of `message`.
    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply)

    /// The server asks the client of this request, and waits for the answer.
    func upstreamAsked(_ question: UpstreamQuestion)

    /// The server needs several answers before it goes on, which it waits for together.
    func upstreamAsked(together questions: [UpstreamQuestion])

    /// How the request ended; exactly once, and the last call.
    func upstreamFinished(_ outcome: UpstreamOutcome)
}

extension UpstreamReceiver {
    /// Nobody is there to be asked.
    package func upstreamAsked(_ question: UpstreamQuestion) { question.refuse() }
    /// Each by itself.
    package func upstreamAsked(together questions: [UpstreamQuestion]) { for question in questions { upstreamAsked(question) } }
}

/// How a request ended.
package enum UpstreamOutcome: Sendable {
    /// A JSON-RPC result or error as it came: its id is the rewritten one.
    case answered(ByteBuffer, Reply)
    /// There is no answer, and there will be none.
    case failed(UpstreamFailure)
}

/// Why a request has no answer. Only `unavailable`, `overdue`, `withdrawn` and `refused` with
/// some statuses mean that the server has not worked on it.
package enum UpstreamFailure: Error, Equatable, Sendable {
    /// It was certainly not sent.
    case unavailable
    /// It was sent, and the server or its connection went away before it answered.
    case died
    /// Its deadline passed after it was sent.
    case timedOut
    /// Its deadline passed before it was sent.
    case overdue
    /// The answer passed the bound of the server's settings and was dropped.
    case answerTooLarge
    /// What came was the answer to something else, or is no text.
    case unusable
    /// Given up by its client after it was sent.
    case cancelled
    /// Given up by its client before it was sent.
    case withdrawn
    /// An HTTP server no longer knows the session (404).
    case sessionLost
    /// An HTTP server answered with this status and no JSON-RPC message.
    case refused(status: Int)
}
