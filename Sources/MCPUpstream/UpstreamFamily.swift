// One configured server as clients meet it: the one that all share, and one for each client that it may ask.

package import GateDomain
import MCPWire
package import NIOCore
import Synchronization

/// A server's process, or session, that all clients share, and those that belong to one client's session each (`--isolation`).
///
/// What a server asks on standard streams names no request, and a capability is declared once a connection: so a client that can be asked has a
/// member of its own, made when its session calls for the first time on this node. Invariant: a member works for one session, and there are
/// `most` at a time, half of them of one key. One that has nothing under way gives way to a new one: of the key that has most of them, the one used least lately.
package final class UpstreamFamily: Upstream {
    private struct Member {
        /// No two members have the same, also of one session after another.
        let number: Int
        let client: UpstreamClient
        let upstream: any Upstream
        var usedAt: NIODeadline
        var open = 0
        /// What waits for its start; nil once that is over.
        var waiting: [Sending]? = []
    }

    private struct Sending: Sendable {
        let request: UpstreamRequest
        let receiver: NIOLoopBound<any UpstreamReceiver>
        let loop: any EventLoop
    }

    private struct State {
        var members: [String: Member] = [:]
        var number = 0
        var isStopped = false
        /// Sessions that have ended lately, and when.
        var ended: [String: NIODeadline] = [:]
    }

    private let shared: any Upstream
    private let most: Int
    private var mostOfKey: Int { max(1, most / 2) }
    private let fallsBack: Bool
    private let make: @Sendable (UpstreamClient) -> (any Upstream)?
    private let state = Mutex(State())

    /// Requests that may wait for a member's start.
    private static let mostWaiting = 256
    /// How long a member without requests is kept.
    private static let idleLimit = TimeAmount.minutes(10)
    /// How long a call may have been on its way into a session that ended meanwhile, and of how many such sessions that is known.
    private static let (endedFor, mostEnded) = (TimeAmount.minutes(1), 4096)

    /// - Parameters:
    ///   - shared: serves everybody who has no member.
    ///   - most: members at a time.
    ///   - fallsBack: whether a client for which there is no room is served by the shared one, which cannot ask it; refused otherwise.
    ///   - make: makes a client's own server, not yet started; its requests have numbers of the shared one.
    package init(
        shared: any Upstream, most: Int, fallsBack: Bool, make: @escaping @Sendable (UpstreamClient) -> (any Upstream)?
    ) {
        self.shared = shared
        self.most = most
        self.fallsBack = fallsBack
        self.make = make
    }

    package var prefix: String? { shared.prefix }
    package var isConnected: Bool { shared.isConnected }
    package var trouble: String? { shared.trouble }
    package var serverInfo: InitializeResult? { shared.serverInfo }
    package var isStateless: Bool { shared.isStateless }
    package func watch(_ uri: String, _ isWanted: Bool, on loop: any EventLoop, _ completion: @escaping (Bool) -> Void) {
        shared.watch(uri, isWanted, on: loop, completion)
    }
    package func nextNumber() -> UInt64 { shared.nextNumber() }
    package func notify(_ message: ByteBuffer) { shared.notify(message) }
    package func start() async throws(StartupFailure) { try await shared.start() }

    // MARK: Requests

    package func send(_ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop) {
        // What says everything itself needs no server of its own.
        guard let client = request.client, request.fields == nil else { return shared.send(request, to: receiver, on: loop) }
        let member = MemberReceiver(receiver, client.session, of: self)
        let counting = NIOLoopBound<any UpstreamReceiver>(member, eventLoop: loop)
        let sending = Sending(request: request, receiver: counting, loop: loop)
        switch enter(client, sending, member) {
        case .send(let upstream): upstream.send(request, to: counting, on: loop)
        case .wait: watch(request, of: client.session, on: loop)
        case .start(let upstream, let leaving):
            watch(request, of: client.session, on: loop)
            // Owned by this family: it ends with the member's start, and `stop` ends that.
            Task { await begin(upstream, of: client.session) }
            if let leaving { end(leaving) }
        case .refuse where fallsBack: shared.send(request, to: receiver, on: loop)
        case .refuse: loop.execute { receiver.value.upstreamFinished(.failed(.unavailable)) }
        }
    }

    /// Gives a request up that still waits for its member's start at its deadline: a start may take longer than anybody wants to wait.
    private func watch(_ request: UpstreamRequest, of session: String, on loop: any EventLoop) {
        guard let deadline = request.deadline else { return }
        loop.scheduleTask(deadline: deadline) { [weak self, number = request.number] in
            guard let self, let waiting = takeWaiting(number, of: session) else { return }
            waiting.receiver.value.upstreamFinished(.failed(.overdue))
        }
    }

    private func takeWaiting(_ number: UInt64, of session: String) -> Sending? {
        state.withLock { state in
            guard let index = state.members[session]?.waiting?.firstIndex(where: { $0.request.number == number }) else { return nil }
            return state.members[session]?.waiting?.remove(at: index)
        }
    }

    private enum Entry {
        case send(any Upstream)
        case wait
        case start(any Upstream, leaving: (any Upstream)?)
        case refuse
    }

    private func enter(_ client: UpstreamClient, _ sending: Sending, _ receiver: MemberReceiver) -> Entry {
        state.withLock { state -> Entry in
            let name = client.session
            if let member = state.members[name] {
                guard member.waiting.map({ $0.count < Self.mostWaiting }) ?? true else { return .refuse }
                state.members[name]?.usedAt = .now()
                state.members[name]?.open += 1
                receiver.number = member.number
                guard member.waiting != nil else { return .send(member.upstream) }
                state.members[name]?.waiting?.append(sending)
                return .wait
            }
            let own = state.members.filter { $0.value.client.key == client.key }
            let crowd = own.count >= mostOfKey ? own : state.members.count >= most ? state.members : [:]
            let victim = crowd.isEmpty ? nil : Self.victim(among: crowd)
            // A call that came into its session before that ended.
            guard state.ended[name] == nil else { return .refuse }
            guard crowd.isEmpty || victim != nil, !state.isStopped, let upstream = make(client) else { return .refuse }
            let leaving = victim.flatMap { state.members.removeValue(forKey: $0)?.upstream }
            state.number += 1
            receiver.number = state.number
            state.members[name] = Member(
                number: state.number, client: client, upstream: upstream, usedAt: .now(), open: 1, waiting: [sending])
            return .start(upstream, leaving: leaving)
        }
    }

    private static func victim(among members: [String: Member]) -> String? {
        var counts: [String: Int] = [:]
        for member in members.values { counts[member.client.key, default: 0] += 1 }
        return members.values.filter { $0.open == 0 }.min { left, right in
            let (of, other) = (counts[left.client.key] ?? 0, counts[right.client.key] ?? 0)
            return of != other ? of > other : left.usedAt < right.usedAt
        }?.client.session
    }

    private func begin(_ upstream: any Upstream, of session: String) async {
        // If it fails it is tried again in the background, and what waits hears of it as it would of any server.
        try? await upstream.start()
        let waiting = state.withLock { state -> [Sending]? in
            guard let member = state.members[session], member.upstream === upstream else { return nil }
            state.members[session]?.waiting = nil
            return member.waiting
        }
        // It was ended before it had begun.
        guard let waiting else { return await upstream.stop() }
        for sending in waiting {
            sending.loop.execute { upstream.send(sending.request, to: sending.receiver, on: sending.loop) }
        }
    }

    fileprivate func ended(_ session: String, _ number: Int) {
        state.withLock { state in
            // A member of the same session may have come after the one that this belongs to.
            guard state.members[session]?.number == number else { return }
            state.members[session]?.open -= 1
            state.members[session]?.usedAt = .now()
        }
    }

    package func cancel(_ number: UInt64, on loop: any EventLoop) {
        shared.cancel(number, on: loop)
        let (upstreams, waiting) = state.withLock { state -> ([any Upstream], Sending?) in
            for (session, member) in state.members {
                guard let index = member.waiting?.firstIndex(where: { $0.request.number == number }) else { continue }
                return ([], state.members[session]?.waiting?.remove(at: index))
            }
            return (state.members.values.filter { $0.open > 0 }.map(\.upstream), nil)
        }
        if let waiting { waiting.loop.execute { waiting.receiver.value.upstreamFinished(.failed(.withdrawn)) } }
        for upstream in upstreams { upstream.cancel(number, on: loop) }
    }

    package func notify(_ message: ByteBuffer, of client: UpstreamClient) {
        state.withLock { $0.members[client.session]?.upstream }?.notify(message)
    }

    // MARK: The end of members

    package func end(session: String) {
        let leaving = state.withLock { state in
            if state.ended.count >= Self.mostEnded { state.ended = [:] }
            state.ended[session] = .now()
            return state.members.removeValue(forKey: session)
        }
        if let leaving { end(leaving) }
    }

    /// Ends members that nobody has used for long.
    package func sweep() {
        let limit = NIODeadline.now() - Self.idleLimit
        let leaving = state.withLock { state -> [Member] in
            let past = NIODeadline.now() - Self.endedFor
            state.ended = state.ended.filter { $0.value > past }
            let idle = state.members.values.filter { $0.open == 0 && $0.usedAt < limit }
            for member in idle { state.members[member.client.session] = nil }
            return idle
        }
        for member in leaving { end(member) }
    }

    private func end(_ member: Member) {
        for sending in member.waiting ?? [] { fail(sending) }
        end(member.upstream)
    }

    private func end(_ upstream: any Upstream) {
        // Owned by nobody any more: it ends when the process has, or the session.
        Task { await upstream.stop() }
    }

    package func stop() async {
        let members = state.withLock { state -> [Member] in
            state.isStopped = true
            defer { state.members = [:] }
            return Array(state.members.values)
        }
        for member in members { for sending in member.waiting ?? [] { fail(sending) } }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.shared.stop() }
            for member in members { group.addTask { await member.upstream.stop() } }
        }
    }

    private func fail(_ sending: Sending) {
        sending.loop.execute { sending.receiver.value.upstreamFinished(.failed(.unavailable)) }
    }
}

/// Tells the family when a member's request is over.
private final class MemberReceiver: UpstreamReceiver {
    private let receiver: NIOLoopBound<any UpstreamReceiver>
    private let session: String
    private let family: UpstreamFamily
    /// Of the member that works on it; set before it is sent.
    var number = 0

    init(_ receiver: NIOLoopBound<any UpstreamReceiver>, _ session: String, of family: UpstreamFamily) {
        self.receiver = receiver
        self.session = session
        self.family = family
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) { receiver.value.upstreamNotified(message, reply) }
    func upstreamAsked(_ question: UpstreamQuestion) { receiver.value.upstreamAsked(question) }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        family.ended(session, number)
        receiver.value.upstreamFinished(outcome)
    }
}
