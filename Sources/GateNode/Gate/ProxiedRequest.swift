// Requests that are no tool calls: free ones, and those that need a key and cost nothing (F-GATE-05, F-GATE-06, X-47).

import ClusterState
import GateDomain
import GateSettings
import MCPUpstream
import MCPWire
import NIOCore

/// A request that is forwarded without being charged; confined to its event loop.
///
/// The servers know one client, the gate. So what belongs to somebody (a task, a subscription) is looked up before a server hears of it,
/// and what belongs to nobody in particular (a list) is asked once for all.
final class ProxiedRequest: CancellableRequest {
    enum Shape {
        case asItIs
        /// Filtered by what the key may call, and priced.
        case toolList
        /// What the servers have said of their tools, answered by the gate; free, and filtered like the list (F-DISC-03).
        case catalog(ToolCatalog.Query)
        /// A stream of what servers say outside of requests.
        case listening
    }

    let exchange: MCPExchange
    private let shape: Shape
    let loop: LoopContext
    let method: String
    private(set) var caller = CallView.Caller.nobody
    var key: KeyRecord?
    var keyID: String? { key?.id }
    private(set) lazy var address = exchange.address
    private var pending = 0
    private var answers: [(index: Int, message: ByteBuffer, reply: Reply)] = []
    /// Servers that are asked if those before them have no result.
    private var others: [ServerChoice.Target] = []
    lazy var choice = ServerChoice.of(method, exchange, in: loop.parts.upstreams)
    private var failure = UpstreamFailure.unavailable
    /// Whether it takes a place of the strangers' share.
    private var isStranger = false
    /// Servers whose copies of a list are waited for, and whether they are for a little while only.
    private var (awaited, isInHurry) = (Set<Int>(), false)
    /// What is under way for this request alone.
    var tickets: [UpstreamTicket] = []
    /// The tool that its task was made by, where rules may ask for it, and what they have said.
    var taskTool: String?
    var screen = OutputScreen()
    private var cancelKey: CancelKey?

    init(_ exchange: MCPExchange, _ shape: Shape, on loop: LoopContext) {
        self.exchange = exchange
        self.shape = shape
        self.loop = loop
        method = exchange.method
    }

    private var isToolList: Bool { if case .toolList = shape { true } else { false } }
    private var isCatalog: Bool { if case .catalog = shape { true } else { false } }

    func begin() {
        if exchange.envelope.hasUnusableCursor, MergedList.members(of: method) != nil {
            return exchange.fail(code: -32602, "Invalid params: cursor must be a string, as an earlier page has given it")
        }
        let isFree = isCatalog || loop.snapshot.isFree(exchange.envelope, in: exchange.body)
        if isFree, case .asItIs = shape, !isPersonal, !isAskable, !isOfOwnList { return beginFree() }
        guard let credential = exchange.credential else { return proceed(isFree) }
        identify(credential) { [self] isAway in
            if isAway && !isFree { return exchange.failForStore() }
            proceed(isFree)
        }
    }

    /// A decision about a key is made by what Redis holds now (V21).
    /// - Parameter next: is told whether Redis is away.
    private func identify(_ credential: String, then next: @escaping (Bool) -> Void) {
        loop.identify(credential, fresh: true) { [self] lookup, _ in
            switch lookup {
            case .found(let key): (caller, self.key) = (.key(key.policy), key.record)
            case .unknown: caller = .unknown
            case .failed: return next(true)
            }
            next(false)
        }
    }

    private func proceed(_ isFree: Bool) {
        if !isFree, !isShadow, case .denied(let denial) = judge(.identity) { return refuse(denial) }
        if case .catalog(let query) = shape { return tell(query) }
        if case .listening = shape { return Listening.begin(exchange, for: keyID, on: loop) }
        if isPersonal { return beginPersonal() }
        if isFree && isFirstPage && !isOfOwnList { return readCopies() }
        if isFree && keyID == nil { return forwardForStranger() }
        forward()
    }

    // MARK: What needs no key

    private func beginFree() {
        if isFirstPage { return readCopies() }
        if loop.lists.enter() {
            isStranger = true
            return forward()
        }
        // The share is used up; a key that there is has a way of its own.
        guard let credential = exchange.credential else { return refuseStranger() }
        identify(credential) { [self] _ in if keyID == nil { refuseStranger() } else { forward() } }
    }

    private func forwardForStranger() {
        guard loop.lists.enter() else { return refuseStranger() }
        isStranger = true
        forward()
    }

    private func refuseStranger() {
        exchange.fail(
            status: 503, code: -32603, "Too many requests without a key are under way. Try again, or send a key.", retryAfter: 1)
    }

    /// Whether it asks for the first page of a list, which is the same for everybody.
    private var isFirstPage: Bool { ListCopies.methods.contains(method) && exchange.envelope.cursor == nil }

    /// Whether it is a list for a client that has servers of its own, which may have other entries than those that all share. Before the key
    /// is known: whether it may be one.
    private var isOfOwnList: Bool {
        guard ListCopies.methods.contains(method), exchange.credential != nil, !loop.parts.upstreams.all.allSatisfy(\.isStateless) else {
            return false
        }
        if keyID != nil { return client != nil }
        guard case .nobody = caller else { return false }
        let capabilities = exchange.isStateless ? [] : exchange.session?.capabilities ?? []
        return loop.parts.settings.isolation.isolates(capabilities)
    }

    /// For whom servers keep something of its own; nobody whose key may not call.
    var client: UpstreamClient? {
        guard keyID != nil, isShadow || !isBarred else { return nil }
        return loop.client(of: exchange, key: keyID)
    }

    private func readCopies() {
        guard case .all(let targets) = choice else { return forward() }
        pending = targets.count
        awaited = Set(targets.map(\.index))
        for target in targets {
            let index = target.index
            loop.lists.read(method, of: index, loop.parts.upstreams.all[index], isOneOfSeveral: targets.count > 1, on: loop.eventLoop) {
                [self] outcome in
                guard awaited.remove(index) != nil else { return }
                took(outcome, from: index)
                if case .answered = outcome { hurry() }
            }
        }
    }

    /// Once one server has answered, the others are waited for a little while, and then left out.
    private func hurry() {
        guard pending > 0, !isInHurry else { return }
        isInHurry = true
        loop.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: ListCopies.grace) { [self] in
            for index in awaited.sorted() {
                awaited.remove(index)
                took(.failed(.timedOut), from: index)
            }
        }
    }

    // MARK: What belongs to somebody

    /// Whether it is about something that a server keeps for one client.
    private var isPersonal: Bool {
        method.hasPrefix("tasks/") || method == "resources/subscribe" || method == "resources/unsubscribe"
    }

    /// Whether its key has to be known because a server may ask its client something.
    private var isAskable: Bool {
        exchange.isStateless && exchange.credential != nil && StatelessEra.canBeAsked(exchange)
            && !StatelessEra.capabilities(of: exchange).isEmpty
    }

    private func beginPersonal() {
        switch method {
        case "resources/subscribe":
            guard subscription != nil else { return refuseSubscription() }
            forward()
        case "resources/unsubscribe":
            guard let subscription else { return exchange.succeed(Array("{}".utf8)) }
            loop.drop(subscription) { [self] outcome, removal in unsubscribed(outcome, removal) }
        case "tasks/list": forward()
        default: beginTask()
        }
    }

    /// For whom servers are asked: a page of a list, read without a key, tells nobody anything of anybody.
    var owner: UpstreamRequest.Owner {
        if let keyID { return .key(keyID) }
        return ListCopies.methods.contains(method) ? .anybody : .nobody
    }

    // MARK: Judging

    var isShadow: Bool { loop.rules.isShadow }

    /// What one phase says, of a tool where it asks for one.
    private func judge(_ phase: Phase, tool: String = "") -> Pipeline.Decision {
        var view = CallView(
            caller: caller, tool: tool, address: address, country: exchange.country(for: caller.policy), now: loop.now,
            headers: exchange.header)
        return loop.snapshot.pipeline.run(phase, &view)
    }

    func refuse(_ denial: Denial) {
        loop.meter.count(denial, of: "none")
        exchange.fail(code: denial.code, denial.sentence, data: denial.data)
    }

    // MARK: The servers

    func forward() {
        switch choice {
        case .all(let targets): send(to: targets)
        case .each(let targets):
            others = Array(targets.dropFirst())
            send(to: Array(targets.prefix(1)))
        case .refused(let sentence):
            if isStranger { loop.lists.left() }
            exchange.fail(code: -32602, sentence)
        }
    }

    func send(to targets: [ServerChoice.Target]) {
        pending = targets.count
        if exchange.isStateless {
            guard exchange.clientIsThere else {
                if isStranger { loop.lists.left() }
                return exchange.fail(code: UpstreamFailure.cancelled.code, UpstreamFailure.cancelled.sentence)
            }
            exchange.onAbandoned = { [weak self] in self?.giveUp() }
        } else {
            registerForCancel()
        }
        for target in targets { Inquiry(self, target).send() }
    }

    var patience: TimeAmount {
        isStranger || ListCopies.methods.contains(method) ? ListCopies.patience : RuleSnapshot.longestWait
    }

    /// Its client has closed the stream of the answer.
    func giveUp() {
        others = []
        for ticket in tickets { ticket.cancel(on: loop.eventLoop) }
    }

    /// A client may give up what it has asked for itself, in a session that it has named (MCP Cancellation).
    private func registerForCancel() {
        guard cancelKey == nil, let session = exchange.session, session.isPresented, let id = exchange.envelope.id,
            let key = CancelKey(session: session.id, caller: keyID ?? "", id: exchange.body.token(id))
        else { return }
        cancelKey = key
        loop.cancellable[key] = self
    }

    func cancel() { giveUp() }

    func took(_ outcome: UpstreamOutcome, from index: Int) {
        switch outcome {
        case .answered(let message, let reply): answers.append((index, message, reply))
        case .failed(let failure): self.failure = failure
        }
        pending -= 1
        guard pending == 0 else { return }
        if !others.isEmpty, answers.last?.reply.result == nil { return send(to: [others.removeFirst()]) }
        if isStranger { loop.lists.left() }
        if let cancelKey, loop.cancellable[cancelKey] === self { loop.cancellable[cancelKey] = nil }
        finish()
    }

    private func finish() {
        answers.sort { $0.index < $1.index }
        // A result of one is an answer, whatever the others have said.
        guard let first = answers.first(where: { $0.reply.result != nil }) ?? answers.first else {
            return exchange.fail(code: failure.code, failure.sentence, retryAfter: failure == .unavailable ? 1 : nil)
        }
        // Whoever goes on reading has been told that each of these servers has more: a page without one of them would end its list.
        if case .all(let targets) = choice, targets.count > 1, exchange.envelope.cursor != nil,
            let missing = targets.map(\.index).first(where: { index in !answers.contains { $0.index == index && $0.reply.result != nil } })
        {
            if let refusal = answers.first(where: { $0.index == missing }) { return exchange.relay(refusal.message, refusal.reply) }
            return exchange.fail(code: failure.code, failure.sentence, retryAfter: failure == .unavailable ? 1 : nil)
        }
        if method == "tasks/list" { return finishTasks(first.message, first.reply) }
        if ["tasks/get", "tasks/cancel", "tasks/result"].contains(method) {
            return finishTask(first.message, first.reply, of: first.index)
        }
        if method == "resources/subscribe", first.reply.result != nil, let subscription {
            return subscribed(first.message, first.reply, subscription, at: first.index)
        }
        let set = loop.parts.upstreams
        guard isToolList || set.isSeveral && MergedList.members(of: method) != nil, first.reply.result != nil else {
            return exchange.relay(first.message, first.reply)
        }
        let pages = self.pages
        let merged = set.isSeveral ? MergedList(pages, of: method, in: set, isOwn: isOfOwnList, isFirst: isFirstPage) : nil
        guard isToolList else {
            guard let merged else { return failUnusable() }
            return exchange.succeed(MergedList.result(method, merged.entries, nextCursor: merged.nextCursor))
        }
        let lists = pages.map { (prefix: set.all[$0.index].prefix, result: $0.result) }
        guard let list = ToolList(lists, separator: set.separator) else { return failUnusable() }
        exchange.succeed(
            list.shown(prices: prices, isBarred: isBarred, nextCursor: merged?.nextCursor) { judge(.policy, tool: $0) == .passed })
    }

    private var prices: PriceBook { (caller.policy?.rules ?? loop.rules).prices }

    /// Answers as a tool does, with JSON as its text.
    private func tell(_ query: ToolCatalog.Query) {
        let (prices, isBarred) = (prices, isBarred)
        let told = loop.tools().answer(query, prices: prices) { [self] tool in
            (!isBarred || prices.row(for: tool).isFree) && judge(.policy, tool: tool) == .passed
        }
        var result = Array(#"{"content":[{"type":"text","text":"#.utf8)
        JSONText.append(String(decoding: told, as: UTF8.self), to: &result)
        exchange.succeed(result + "}],\"isError\":false}".utf8)
    }

    /// The results of the servers, in the order of the configuration.
    var pages: [MergedList.Page] {
        answers.compactMap { answer in
            answer.reply.result.map {
                .init(index: answer.index, prefix: loop.parts.upstreams.all[answer.index].prefix ?? "", result: answer.message.token($0))
            }
        }
    }

    func failUnusable() {
        exchange.fail(code: UpstreamFailure.unusable.code, UpstreamFailure.unusable.sentence)
    }

    /// Whoever shows no key reads the whole list; a key that may not call at all reads what is free.
    private var isBarred: Bool {
        if case .nobody = caller { false } else { judge(.identity) != .passed }
    }
}
