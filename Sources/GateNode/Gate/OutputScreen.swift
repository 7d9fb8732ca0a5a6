// What the operator's rules make of whatever a server says of a call: its answer, what comes before it, and what was kept of it.

import GateDomain
import GateSettings
import MCPUpstream
import MCPWire
import NIOCore

/// Runs the stages of the phase `output`, and keeps what they have said; however much that is, a request has so many remarks.
struct OutputScreen {
    /// What becomes of something that a server has said.
    enum Verdict {
        case passed
        /// The JSON of a value that takes its place.
        case rewritten([UInt8])
        /// The JSON of a result that takes the answer's place.
        case answered([UInt8])
        case withheld(Denial)
    }

    private(set) var warnings: [String] = []
    private(set) var notes: [String] = []
    private(set) var violations: [RuleViolation] = []

    mutating func judge(_ view: consuming CallView, by pipeline: Pipeline, isShadow: Bool) -> Verdict {
        var view = view
        let decision = pipeline.run(.output, &view)
        // A rule that has been met twice is told once.
        for warning in view.warnings where warnings.count < CallView.remarks && !warnings.contains(warning) { warnings.append(warning) }
        for text in view.notes { note(text) }
        for violation in view.violations where violations.count < CallView.violations { violations.append(violation) }
        switch decision {
        case .denied(let denial):
            guard isShadow else { return .withheld(denial) }
            note("shadow:" + denial.reason)
            return .passed
        case .answered(let result): return .answered(result)
        case .passed: return view.rewritten.map(Verdict.rewritten) ?? .passed
        }
    }

    private mutating func note(_ text: String) {
        if notes.count < 2 * CallView.remarks { notes.append(text) }
    }
}

extension OutputScreen.Verdict {
    /// What is left of a message of which `place` was judged; nil for nothing.
    func rest(of message: ByteBuffer, _ reply: Reply, at place: Range<Int>) -> (message: ByteBuffer, reply: Reply)? {
        switch self {
        case .withheld: return nil
        case .passed, .answered: return (message, reply)
        case .rewritten(let bytes):
            let changed = message.withUnsafeReadableBytes { Splice.apply([.init(place, .bytes(bytes))], to: $0) }
            return changed.withUnsafeBytes { Reply.scan($0) }.map { (ByteBuffer(bytes: changed), $0) }
        }
    }
}

extension Reply {
    /// The message as rules can judge all of it: without what JSON-RPC has no place for.
    func tightened(_ message: ByteBuffer) -> (message: ByteBuffer, reply: Reply)? {
        guard isLoose else { return (message, self) }
        let tight = message.withUnsafeReadableBytes { self.tightened($0) }
        return tight.withUnsafeBytes { Reply.scan($0) }.map { (ByteBuffer(bytes: tight), $0) }
    }

    /// What rules leave of a message that comes before the answer; nil for nothing. The name of a method that the gate does not know is text
    /// of the server like any other.
    /// - Parameter judge: what they make of a message at a place.
    func screened(
        _ message: ByteBuffer, _ judge: (ByteBuffer, Range<Int>) -> OutputScreen.Verdict
    ) -> (message: ByteBuffer, reply: Reply)? {
        guard let (message, reply) = tightened(message) else { return nil }
        if method == .other, let name = reply.methodName {
            guard case .passed = judge(message, name.lowerBound - 1..<name.upperBound + 1) else { return nil }
        }
        guard let params = reply.params else { return (message, reply) }
        return judge(message, params).rest(of: message, reply, at: params)
    }
}

extension UpstreamQuestion {
    /// What the rules leave of it; nil for nothing. - Parameter judge: what they make of a message at a place.
    func screened(_ judge: (ByteBuffer, Range<Int>) -> OutputScreen.Verdict) -> UpstreamQuestion? {
        reply.screened(message, judge).map { saying($0.message, $0.reply) }
    }

    /// What a server is told whose question is kept back.
    static let isKeptBack = "A rule of the gate does not let this be asked"
}
