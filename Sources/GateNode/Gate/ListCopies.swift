// Lists that need no key, asked of a server once for everybody: strangers have a share of the servers that they cannot make larger.

import MCPUpstream
import MCPWire
import NIOCore

/// The short-lived copies of one event loop, and how many requests of strangers it lets travel to servers at a time.
///
/// Invariant: whoever asks for the first page of a list, and however often, a server is asked for it once at a time and once a second.
/// Everything else that needs no key counts against the share.
final class ListCopies {
    /// What a server has answered, or why it has not.
    typealias Answer = UpstreamOutcome

    private struct ListName: Hashable {
        /// The place of the server among all.
        let server: Int
        let method: String
    }

    private struct Copy {
        var answer: Answer?
        var readAt = NIODeadline.uptimeNanoseconds(0)
        var waiters: [(Answer) -> Void] = []
        /// Whether the server was waited for in vain when it was asked last.
        var wasSilent = false
    }

    private var copies: [ListName: Copy] = [:]
    /// Requests of strangers that are under way, those for copies not counted.
    private(set) var strangers = 0

    static let freshness = TimeAmount.seconds(1)
    /// Requests of strangers on one event loop.
    static let share = 16
    /// Nobody without a key waits longer for a server.
    static let patience = TimeAmount.seconds(15)
    /// How long others are waited for once one of several servers has answered.
    static let grace = TimeAmount.seconds(5)
    /// Bytes of an answer that is kept for others.
    private static let longest = 4 << 20

    /// The lists of MCP.
    static let methods: Set<String> = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]

    /// Hands over a copy that is fresh, or what the server says now.
    /// - Parameter isOneOfSeveral: whether a server that has said nothing when it was asked last is left out, and asked again without
    ///   anybody waiting.
    func read(
        _ method: String, of server: Int, _ upstream: any Upstream, isOneOfSeveral: Bool, on loop: any EventLoop,
        _ completion: @escaping (Answer) -> Void
    ) {
        let name = ListName(server: server, method: method)
        let copy = copies[name] ?? Copy()
        if let answer = copy.answer, .now() - copy.readAt < Self.freshness { return completion(answer) }
        let (isUnderWay, isLeftOut) = (!copy.waiters.isEmpty, isOneOfSeveral && copy.wasSilent)
        if isLeftOut { completion(.failed(.timedOut)) }
        if !isUnderWay || !isLeftOut { copies[name, default: Copy()].waiters.append(isLeftOut ? { _ in } : completion) }
        guard !isUnderWay else { return }
        upstream.ask(method, within: Self.patience, on: loop) { [self] in took($0, for: name) }
    }

    private func took(_ answer: Answer, for name: ListName) {
        let waiters = copies[name]?.waiters ?? []
        if case .answered(let message, let reply) = answer, message.readableBytes <= Self.longest, !Self.isPrivate(message, reply) {
            copies[name] = Copy(answer: answer, readAt: .now())
        } else if case .failed(.timedOut) = answer {
            copies[name] = Copy(wasSilent: true)
        } else {
            copies[name] = nil
        }
        for waiter in waiters { waiter(answer) }
    }

    /// Whether its server says that the list is for whoever has asked and for nobody else (2026-07-28, Caching).
    private static func isPrivate(_ message: ByteBuffer, _ reply: Reply) -> Bool {
        guard let result = reply.result, reply.resultType != nil else { return false }
        return message.withUnsafeReadableBytes { bytes in
            let result = UnsafeRawBufferPointer(rebasing: bytes[result])
            return MemberScan.range(of: ["cacheScope"], in: result).map { result[$0].elementsEqual(#""private""#.utf8) } ?? false
        }
    }

    /// A list has changed, or a server has come.
    func forget() {
        for name in copies.keys {
            copies[name]?.answer = nil
            copies[name]?.wasSilent = false
            if copies[name]?.waiters.isEmpty ?? true { copies[name] = nil }
        }
    }

    /// Whether one more stranger may ask a server; then call `left` at its end.
    func enter() -> Bool {
        guard strangers < Self.share else { return false }
        strangers += 1
        return true
    }

    func left() { strangers -= 1 }
}
