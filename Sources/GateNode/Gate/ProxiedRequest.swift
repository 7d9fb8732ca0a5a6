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
    private let loop: LoopContext
    private let method: String
    private var caller = CallView.Caller.nobody
    private var key: KeyRecord?
    private var keyID: String? { key?.id }
    private lazy var address = exchange.address
    private var pending = 0
    private var answers: [(index: Int, message: ByteBuffer, reply: Reply)] = []
    /// Servers that are asked if those before them have no result.
    private var others: [ServerChoice.Target] = []
    private lazy var choice = ServerChoice.of(method, exchange, in: loop.parts.upstreams)
    private var failure = UpstreamFailure.unavailable
    /// Whether it takes a place of the strangers' share.
    private var isStranger = false
    /// Servers whose copies of a list are waited for, and whether they are for a little while only.
    private var (awaited, isInHurry) = (Set<Int>(), false)
    /// What is under way for this request alone.
    private var tickets: [UpstreamTicket] = []
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
    private var client: UpstreamClient? {
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
        case "resources/subscribe": forward()
        case "resources/unsubscribe":
            guard let subscription else { return exchange.succeed(Array("{}".utf8)) }
            loop.drop(subscription) { [self] outcome, removal in unsubscribed(outcome, removal) }
        case "tasks/list": forward()
        default: beginTask()
        }
    }

    /// Nobody ends another's, and the last of those who want to hear of it here tells the server; another node that told of it has heard so.
    private func unsubscribed(_ outcome: LoopContext.SubscriptionOutcome, _ removal: SubscriptionBook.Removal?) {
        guard outcome == .done else {
            if let removal, removal.isLast { loop.release([removal.source]) }
            return exchange.failForStore()
        }
        guard let removal, removal.isLast else { return exchange.succeed(Array("{}".utf8)) }
        let edit = exchange.envelope.uri.map { (text: removal.source.uri.text, token: $0) }
        choice = .each([ServerChoice.Target(index: removal.source.server, edit: edit)])
        forward()
    }

    /// Where the server of this place has what is subscribed to.
    private func source(of subscription: SubscriptionBook.Subscription, at index: Int) -> SubscriptionBook.NewsSource {
        var targets: [ServerChoice.Target] = []
        if case .all(let all) = choice { targets = all } else if case .each(let each) = choice { targets = each }
        let own = targets.first { $0.index == index }?.edit.map { ExactText($0.text) }
        return .init(
            server: index, uri: own ?? subscription.name, client: loop.parts.upstreams.all[index].isStateless ? nil : client)
    }

    private func subscribed(_ message: ByteBuffer, _ reply: Reply, _ subscription: SubscriptionBook.Subscription, at index: Int) {
        loop.hold(subscription, from: source(of: subscription, at: index)) { [self] outcome in
            switch outcome {
            case .done: exchange.relay(message, reply)
            case .full:
                exchange.fail(
                    code: -32602,
                    "Invalid params: a session has at most \(SubscriptionCommands.most) subscriptions, whose URIs have "
                        + "\(SubscriptionCommands.mostBytes) bytes together; unsubscribe from one of them first")
            case .unavailable: exchange.failForStore()
            }
        }
    }

    /// A task is asked about by the key that made it, and by nobody else.
    private func beginTask() {
        guard let task = exchange.envelope.taskId.flatMap({ exchange.string($0) }), task.utf8.count <= TaskOwners.longestID else {
            return exchange.fail(code: -32602, "Invalid params: missing taskId")
        }
        guard let keyID else { return refuseTask() }
        loop.tasks.own(loop.parts.upstreams.all.map { (task, $0.prefix) }, by: keyID) { [self] owned in
            guard let owned else { return exchange.failForStore() }
            guard let index = owned.firstIndex(of: true) else { return refuseTask() }
            send(to: [ServerChoice.Target(index: index)])
        }
    }

    private func refuseTask() { exchange.fail(code: -32602, "Invalid params: Task not found") }

    /// What is subscribed to, and by whom; nil where no update could be delivered.
    private var subscription: SubscriptionBook.Subscription? {
        guard let keyID, let credential = exchange.credential, let session = exchange.session, session.isPresented,
            let uri = exchange.envelope.uri.flatMap({ exchange.string($0) }), uri.utf8.count <= SubscriptionBook.longestURI
        else { return nil }
        let digest = KeyCache.digest(credential)
        let subscriber = SubscriptionBook.Subscriber(
            session: session.id, credential: digest, isOwned: session.isOwned && session.owner == digest, key: keyID)
        return .init(subscriber: subscriber, name: ExactText(uri))
    }

    /// For whom servers are asked: a page of a list, read without a key, tells nobody anything of anybody.
    private var owner: UpstreamRequest.Owner {
        if let keyID { return .key(keyID) }
        return ListCopies.methods.contains(method) ? .anybody : .nobody
    }

    // MARK: Judging

    private var isShadow: Bool { loop.rules.isShadow }

    /// What one phase says, of a tool where it asks for one.
    private func judge(_ phase: Phase, tool: String = "") -> Pipeline.Decision {
        var view = CallView(
            caller: caller, tool: tool, address: address, country: exchange.country(for: caller.policy), now: loop.now,
            headers: exchange.header)
        return loop.snapshot.pipeline.run(phase, &view)
    }

    private func refuse(_ denial: Denial) {
        loop.meter.count(denial, of: "none")
        exchange.fail(code: denial.code, denial.sentence, data: ["reason": .string(denial.reason)])
    }

    // MARK: The servers

    private func forward() {
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

    private func send(to targets: [ServerChoice.Target]) {
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

    private var patience: TimeAmount {
        isStranger || ListCopies.methods.contains(method) ? ListCopies.patience : RuleSnapshot.longestWait
    }

    /// Its client has closed the stream of the answer.
    private func giveUp() {
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

    /// One server's share of the answer.
    private final class Inquiry: UpstreamReceiver {
        private let request: ProxiedRequest
        private let target: ServerChoice.Target

        init(_ request: ProxiedRequest, _ target: ServerChoice.Target) {
            self.request = request
            self.target = target
        }

        func send() {
            let (loop, exchange) = (request.loop, request.exchange)
            let upstream = loop.parts.upstreams.all[target.index]
            let number = upstream.nextNumber()
            if upstream.isStateless { return send(to: upstream, number) }
            let client = request.client
            if request.method == "logging/setLevel", !exchange.isStateless { return setLevel(at: upstream, client) }
            loop.tellLevel(of: exchange, to: upstream, client)
            request.tickets.append(UpstreamTicket(upstream: upstream, number: number))
            let bytes = UpstreamRequest.rewritten(
                exchange.body, exchange.envelope, number: number, toolName: target.edit.map { ($0.text, $0.token) },
                isStateless: exchange.isStateless, allocator: loop.allocator)
            upstream.send(
                UpstreamRequest(
                    number: number, bytes: bytes, deadline: .now() + request.patience,
                    isCall: false, owner: request.owner, client: client),
                to: NIOLoopBound(self, eventLoop: loop.eventLoop), on: loop.eventLoop)
        }

        /// The same to a server of the revision 2026-07-28, which has some methods no more.
        private func send(to upstream: any Upstream, _ number: UInt64) {
            let (loop, exchange) = (request.loop, request.exchange)
            switch request.method {
            // A session's level goes along with each of its requests.
            case "logging/setLevel" where !exchange.isStateless: return setLevel()
            case "resources/subscribe" where !exchange.isStateless: return watch(true)
            case "resources/unsubscribe" where !exchange.isStateless: return watch(false)
            default: break
            }
            let message = UpstreamRequest.rewritten(
                exchange.body, exchange.envelope, number: number, toolName: target.edit.map { ($0.text, $0.token) },
                allocator: loop.allocator)
            let described = StatelessRequest.of(exchange, message, number: number, isAskable: request.keyID != nil, mirrored: [], on: loop)
            let rounds = UpstreamRounds(
                described, number: number, to: upstream, for: self,
                patience: request.patience, isCall: false,
                owner: request.owner, on: loop.eventLoop)
            request.tickets.append(UpstreamTicket(upstream: upstream, number: number, rounds: rounds))
            rounds.begin()
        }

        private func watch(_ isWanted: Bool) {
            let uri = target.edit?.text ?? request.exchange.envelope.uri.flatMap { request.exchange.string($0) }
            guard let uri, uri.utf8.count <= SubscriptionBook.longestURI else { return tell(false) }
            request.loop.watch(uri, isWanted, of: target.index, for: request.keyID ?? "") { [self] isAgreed in tell(isAgreed) }
        }

        /// The level that is asked for; nil if there is none, which is told.
        private var level: LogLevel? {
            let exchange = request.exchange
            let token = exchange.body.withUnsafeReadableBytes { body in
                MemberScan.range(of: ["params", "level"], in: body).map { Array(body[$0].prefix(64)) }
            }
            if let level = token.flatMap(LogLevel.init(token:)) { return level }
            tell(false, "level must be one of " + LogLevel.allCases.map(\.rawValue).joined(separator: ", "))
            return nil
        }

        /// The level of a session in front of a server with a handshake. Without a session it is nobody's own, and takes no message from anybody.
        private func setLevel(at upstream: any Upstream, _ client: UpstreamClient?) {
            guard let level else { return }
            let loop = request.loop
            let inform = { [self] in
                loop.tell(level, to: upstream, client) { [self] outcome in
                    if let outcome { request.took(outcome, from: target.index) } else { tell(true) }
                }
            }
            guard let session = request.exchange.session, session.isPresented else { return inform() }
            loop.sessions.hear(from: level, in: session) { [self] isWritten in
                if isWritten { inform() } else { request.took(.failed(.unavailable), from: target.index) }
            }
        }

        private func setLevel() {
            guard let level else { return }
            let (loop, exchange) = (request.loop, request.exchange)
            guard let session = exchange.session, session.isPresented else { return tell(false, "a level is that of a session") }
            loop.sessions.hear(from: level, in: session) { [self] isWritten in
                if isWritten { tell(true) } else { request.took(.failed(.unavailable), from: target.index) }
            }
        }

        /// What a server of the other era would have said.
        private func tell(_ isDone: Bool, _ fault: String = "the MCP server does not tell of this resource") {
            let message = ByteBuffer(
                string: isDone
                    ? #"{"jsonrpc":"2.0","id":0,"result":{}}"#
                    : #"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"Invalid params: \#(fault)"}}"#)
            guard let reply = message.withUnsafeReadableBytes({ Reply.scan($0) }) else { return }
            request.took(.answered(message, reply), from: target.index)
        }

        func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
            if let call = request.exchange.parkedAs { return request.loop.rounds.tell(message, of: call, on: request.loop) }
            guard request.loop.isHeard(message, reply, on: request.exchange, of: request.client) else { return }
            request.exchange.relay(notification: message, reply)
        }

        func upstreamAsked(_ question: UpstreamQuestion) { upstreamAsked(together: [question]) }

        func upstreamAsked(together questions: [UpstreamQuestion]) {
            let (loop, exchange) = (request.loop, request.exchange)
            guard exchange.isStateless else { return questions.forEach { loop.ask($0, on: exchange) } }
            if loop.rounds.ask(questions, exchange, of: request.keyID, on: loop, cancel: { [weak request] in request?.giveUp() }) { return }
            for question in questions { question.refuse(code: -32603, "The client cannot be asked this") }
        }

        func upstreamFinished(_ outcome: UpstreamOutcome) { request.took(outcome, from: target.index) }
    }

    private func took(_ outcome: UpstreamOutcome, from index: Int) {
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
    private var pages: [MergedList.Page] {
        answers.compactMap { answer in
            answer.reply.result.map {
                .init(index: answer.index, prefix: loop.parts.upstreams.all[answer.index].prefix ?? "", result: answer.message.token($0))
            }
        }
    }

    /// A task that has come to nothing is paid back before its owner hears of it.
    private func finishTask(_ message: ByteBuffer, _ reply: Reply, of index: Int) {
        guard let key, let task = exchange.envelope.taskId.flatMap({ exchange.string($0) }), reply.result != nil else {
            return exchange.relay(message, reply)
        }
        let upstream = loop.parts.upstreams.all[index]
        // A result is the call's, and says nothing of the task: a failed one has a result, too (2025-11-25).
        let status = method == "tasks/result" ? nil : TaskOwners.status(in: reply, message)
        if let status, status.isLost {
            return loop.tasks.lost(status, task, of: upstream.prefix, to: key, at: loop.now) { [self] _ in exchange.relay(message, reply) }
        }
        if let status { loop.tasks.heard(status, of: task, server: upstream.prefix, by: key.id, at: loop.now) }
        exchange.relay(message, reply)
        var isFailure = false
        if case .result(isError: true) = reply.kind { isFailure = method == "tasks/result" }
        guard isFailure || method == "tasks/cancel" && upstream.isStateless else { return }
        // Where the server only says that it has heard (2026-07-28), or that the call was an error, it is asked what became of the task: its
        // owner may never ask again.
        upstream.ask(
            "tasks/get", ["taskId": .string(task)], declaring: TaskOwners.capabilities, within: .seconds(15),
            of: upstream.isStateless ? nil : loop.client(of: exchange, key: key.id), on: loop.eventLoop
        ) { [loop] outcome in
            guard case .answered(let message, let reply) = outcome, let status = TaskOwners.status(in: reply, message) else { return }
            if status.isLost { return loop.tasks.lost(status, task, of: upstream.prefix, to: key, at: loop.now) { _ in } }
            loop.tasks.heard(status, of: task, server: upstream.prefix, by: key.id, at: loop.now)
        }
    }

    /// Of the tasks of the gate the caller sees its own.
    private func finishTasks(_ message: ByteBuffer, _ reply: Reply) {
        guard reply.result != nil else { return exchange.relay(message, reply) }
        let (set, pages) = (loop.parts.upstreams, pages)
        guard let keyID, let first = pages.first, let list = Self.taskList(first.result) else { return failUnusable() }
        let tasks = pages.flatMap { page in Self.tasks(page.result).map { (id: $0.id, bytes: $0.bytes, server: set.all[page.index].prefix) }
        }
        guard tasks.count <= TaskOwners.most else { return failUnusable() }
        let cursor = set.isSeveral ? MergedList(pages, of: method, in: set)?.nextCursor : nil
        loop.tasks.own(tasks.map { ($0.id, $0.server) }, by: keyID) { [self] owned in
            guard let owned else { return exchange.failForStore() }
            let own = zip(tasks, owned).filter(\.1).map(\.0.bytes)
            if set.isSeveral { return exchange.succeed(MergedList.result(method, own, nextCursor: cursor)) }
            exchange.succeed(first.result.withUnsafeBytes { list.replacing(own, in: $0) })
        }
    }

    private static func taskList(_ result: [UInt8]) -> ListScan? {
        result.withUnsafeBytes { ListScan($0, list: "tasks", members: ["taskId"]) }
    }

    private static func tasks(_ result: [UInt8]) -> [(id: String, bytes: [UInt8])] {
        (taskList(result)?.entries ?? []).compactMap { entry in
            guard let range = entry.values[0],
                let id = result.withUnsafeBytes({ JSONText.string(UnsafeRawBufferPointer(rebasing: $0[range])) })
            else { return nil }
            return (id, Array(result[entry.range]))
        }
    }

    private func failUnusable() {
        exchange.fail(code: UpstreamFailure.unusable.code, UpstreamFailure.unusable.sentence)
    }

    /// Whoever shows no key reads the whole list; a key that may not call at all reads what is free.
    private var isBarred: Bool {
        if case .nobody = caller { false } else { judge(.identity) != .passed }
    }
}
