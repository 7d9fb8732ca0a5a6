// One configured server as clients meet it: the one that all share, and one for each client that it may ask.

package import GateDomain
import MCPWire
package import NIOCore
import Synchronization

/// A server's process, or session, that all clients share, and those that belong to one client's session each (`--isolation`).
///
/// What a server asks on standard streams names no request, and a capability is declared once a connection: so a client that can be asked has a
/// member of its own, made when its session calls for the first time on this node. Where several clients may stand behind one name, as behind a key
/// without sessions, each of their requests that are under way at once has a member, so that a question can only be of the one; and a member whose
/// request was given up, which may still ask because of it, gets no other.
///
/// Invariant: a member works for one session, and there are `most` at a time. A key has half of them as long as half of all are free, and an eighth
/// however many others there are, so it takes five keys at least to fill them. One that has nothing under way gives way to a new one: of the key that
/// has most of them, the one used least lately.
package final class UpstreamFamily: Upstream {
    private struct Member {
        /// No two members have the same, also of one session after another.
        let number: Int
        let name: String
        let client: UpstreamClient
        let upstream: any Upstream
        var usedAt: NIODeadline
        var open = 0
        /// Those of them of which each has the member alone.
        var exclusive = 0
        /// Whether one of these was given up.
        var isTainted = false
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
    /// Members of one key while half of all are free.
    private var mostOfKey: Int { max(1, most / 2) }
    /// Members that a key has however many others there are.
    private var share: Int { max(1, most / 8) }
    private let fallsBack: Bool
    private let namesRequests: Bool
    private let make: @Sendable (UpstreamClient) -> (any Upstream)?
    private let state = Mutex(State())

    /// Requests that may wait for a member's start.
    private static let mostWaiting = 256
    /// How long a member without requests is kept, and one that is there beside the first of its client.
    private static let (idleLimit, secondIdleLimit) = (TimeAmount.minutes(10), TimeAmount.minutes(1))
    /// How long a call may have been on its way into a session that ended meanwhile, and of how many such sessions that is known.
    private static let (endedFor, mostEnded) = (TimeAmount.minutes(1), 4096)

    /// - Parameters:
    ///   - shared: serves everybody who has no member.
    ///   - most: members at a time.
    ///   - fallsBack: whether a client for which there is no room is served by the shared one, which cannot ask it; refused otherwise.
    ///   - namesRequests: whether what a member asks says of which request it is: it does over HTTP, and does not on standard streams.
    ///   - make: makes a client's own server, not yet started; its requests have numbers of the shared one.
    package init(
        shared: any Upstream, most: Int, fallsBack: Bool, namesRequests: Bool = true,
        make: @escaping @Sendable (UpstreamClient) -> (any Upstream)?
    ) {
        self.namesRequests = namesRequests
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
    package var livesWithNode: Bool { shared.livesWithNode }
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
        let isExclusive = client.isShared && !client.capabilities.isEmpty && !namesRequests && !request.isOfGate
        let member = MemberReceiver(receiver, isExclusive: isExclusive, of: self)
        let counting = NIOLoopBound<any UpstreamReceiver>(member, eventLoop: loop)
        let sending = Sending(request: request, receiver: counting, loop: loop)
        switch enter(client, sending, member) {
        case .send(let upstream): upstream.send(request, to: counting, on: loop)
        case .wait(let name): watch(request, of: name, on: loop)
        case .start(let upstream, let name, let leaving):
            watch(request, of: name, on: loop)
            // Owned by this family: it ends with the member's start, and `stop` ends that.
            Task { await begin(upstream, of: name) }
            if let leaving { end(leaving) }
        case .refuse where fallsBack: shared.send(request, to: receiver, on: loop)
        case .refuse: loop.execute { receiver.value.upstreamFinished(.failed(.unavailable)) }
        }
    }

    /// Gives a request up that still waits for its member's start at its deadline: a start may take longer than anybody wants to wait.
    private func watch(_ request: UpstreamRequest, of name: String, on loop: any EventLoop) {
        guard let deadline = request.deadline else { return }
        loop.scheduleTask(deadline: deadline) { [weak self, number = request.number] in
            guard let self, let waiting = takeWaiting(number, of: name) else { return }
            waiting.receiver.value.upstreamFinished(.failed(.overdue))
        }
    }

    private func takeWaiting(_ number: UInt64, of name: String) -> Sending? {
        state.withLock { state in
            guard let index = state.members[name]?.waiting?.firstIndex(where: { $0.request.number == number }) else { return nil }
            return state.members[name]?.waiting?.remove(at: index)
        }
    }

    private enum Entry {
        case send(any Upstream)
        case wait(for: String)
        case start(any Upstream, of: String, leaving: (any Upstream)?)
        case refuse
    }

    private func enter(_ client: UpstreamClient, _ sending: Sending, _ receiver: MemberReceiver) -> Entry {
        state.withLock { state -> Entry in
            let name = receiver.isExclusive ? Self.freeName(of: client, in: state) : client.session
            if state.members[name] != nil { return join(name, sending, receiver, in: &state) }
            // A call that came into its session before that ended.
            guard state.ended[client.session] == nil else { return .refuse }
            let own = state.members.filter { $0.value.client.key == client.key }
            let mayGrow = own.count < share || own.count < mostOfKey && state.members.count < most / 2
            let crowd = !mayGrow ? own : state.members.count >= most ? state.members : [:]
            let victim = crowd.isEmpty ? nil : Self.victim(among: crowd)
            guard crowd.isEmpty || victim != nil, !state.isStopped, let upstream = make(client) else {
                // Where nobody is to be served by the shared one, several have a member together, and it asks none of them.
                guard receiver.isExclusive, !fallsBack, let least = Self.leastBusy(of: client, in: state) else { return .refuse }
                return join(least, sending, receiver, in: &state)
            }
            let leaving = victim.flatMap { state.members.removeValue(forKey: $0)?.upstream }
            state.number += 1
            (receiver.name, receiver.number) = (name, state.number)
            state.members[name] = Member(
                number: state.number, name: name, client: client, upstream: upstream, usedAt: .now(), open: 1,
                exclusive: receiver.isExclusive ? 1 : 0, waiting: [sending])
            return .start(upstream, of: name, leaving: leaving)
        }
    }

    private func join(_ name: String, _ sending: Sending, _ receiver: MemberReceiver, in state: inout State) -> Entry {
        guard var member = state.members[name], member.waiting.map({ $0.count < Self.mostWaiting }) ?? true else { return .refuse }
        (receiver.name, receiver.number) = (name, member.number)
        member.usedAt = .now()
        member.open += 1
        if receiver.isExclusive { member.exclusive += 1 }
        let isThere = member.waiting == nil
        member.waiting?.append(sending)
        state.members[name] = member
        return isThere ? .send(member.upstream) : .wait(for: name)
    }

    /// The first member of a client that no request has for itself, or the name of one that is not there.
    private static func freeName(of client: UpstreamClient, in state: State) -> String {
        let names = names(of: client, in: state)
        let isFree = { (name: String) in state.members[name].map { $0.exclusive == 0 && !$0.isTainted } ?? false }
        return names.first(where: isFree) ?? names.first { state.members[$0] == nil } ?? client.session
    }

    private static func leastBusy(of client: UpstreamClient, in state: State) -> String? {
        names(of: client, in: state).compactMap { state.members[$0] }.min { $0.open < $1.open }?.name
    }

    /// The names of a client's members, and one more.
    private static func names(of client: UpstreamClient, in state: State) -> [String] {
        (0...state.members.count).map { $0 == 0 ? client.session : "\(client.session)#\($0)" }
    }

    private static func victim(among members: [String: Member]) -> String? {
        var counts: [String: Int] = [:]
        for member in members.values { counts[member.client.key, default: 0] += 1 }
        return members.values.filter { $0.open == 0 }.min { left, right in
            let (of, other) = (counts[left.client.key] ?? 0, counts[right.client.key] ?? 0)
            return of != other ? of > other : left.isTainted != right.isTainted ? left.isTainted : left.usedAt < right.usedAt
        }?.name
    }

    private func begin(_ upstream: any Upstream, of name: String) async {
        // If it fails it is tried again in the background, and what waits hears of it as it would of any server.
        try? await upstream.start()
        let waiting = state.withLock { state -> [Sending]? in
            guard let member = state.members[name], member.upstream === upstream else { return nil }
            state.members[name]?.waiting = nil
            return member.waiting
        }
        // It was ended before it had begun.
        guard let waiting else { return await upstream.stop() }
        for sending in waiting {
            sending.loop.execute { upstream.send(sending.request, to: sending.receiver, on: sending.loop) }
        }
    }

    /// - Parameter isGivenUp: whether the server may still work on it.
    fileprivate func ended(_ receiver: MemberReceiver, isGivenUp: Bool) {
        state.withLock { state in
            // A member of the same name may have come after the one that this belongs to.
            guard var member = state.members[receiver.name], member.number == receiver.number else { return }
            member.open -= 1
            member.usedAt = .now()
            if receiver.isExclusive {
                member.exclusive -= 1
                member.isTainted = member.isTainted || isGivenUp
            }
            state.members[receiver.name] = member
        }
    }

    package func cancel(_ number: UInt64, on loop: any EventLoop) {
        shared.cancel(number, on: loop)
        let (upstreams, waiting) = state.withLock { state -> ([any Upstream], Sending?) in
            for (name, member) in state.members {
                guard let index = member.waiting?.firstIndex(where: { $0.request.number == number }) else { continue }
                return ([], state.members[name]?.waiting?.remove(at: index))
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

    package var sessions: [String] { state.withLock { $0.members.values.map(\.client.session) } }

    package func end(_ session: HTTPSessionName) async { await shared.end(session) }

    package func keep(session: String) { state.withLock { $0.members[session]?.usedAt = .now() } }

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
        let now = NIODeadline.now()
        let leaving = state.withLock { state -> [Member] in
            state.ended = state.ended.filter { $0.value > now - Self.endedFor }
            let idle = state.members.values.filter { member in
                let limit = member.name == member.client.session && !member.isTainted ? Self.idleLimit : Self.secondIdleLimit
                return member.open == 0 && member.usedAt < now - limit
            }
            for member in idle { state.members[member.name] = nil }
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
    private let family: UpstreamFamily
    /// Whether it has the member for itself.
    let isExclusive: Bool
    /// Of the member that works on it; set before it is sent.
    var (name, number) = ("", 0)

    init(_ receiver: NIOLoopBound<any UpstreamReceiver>, isExclusive: Bool, of family: UpstreamFamily) {
        self.receiver = receiver
        self.isExclusive = isExclusive
        self.family = family
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) { receiver.value.upstreamNotified(message, reply) }
    func upstreamAsked(_ question: UpstreamQuestion) { receiver.value.upstreamAsked(question) }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        family.ended(self, isGivenUp: outcome.isGivenUp)
        receiver.value.upstreamFinished(outcome)
    }
}

extension UpstreamOutcome {
    /// Whether nobody waits any more for what the server may still work on.
    fileprivate var isGivenUp: Bool {
        switch self {
        case .failed(.cancelled), .failed(.timedOut): true
        case .answered, .failed: false
        }
    }
}
