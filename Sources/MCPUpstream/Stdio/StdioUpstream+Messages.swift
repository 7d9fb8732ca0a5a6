// What the server says: answers, notifications, and requests of its own.

import ChildProcesses
import Logging
import MCPWire
import NIOCore
import Synchronization

extension StdioUpstream {
    func received(_ chunk: ByteBuffer) {
        chunk.withUnsafeReadableBytes { bytes in
            framing.feed(bytes) { event in
                switch event {
                case .line(let line): read(line, ByteBuffer(bytes: line))
                case .collected(let line): line.withUnsafeReadableBytes { read($0, line) }
                case .overlong(let id): lostAnswer(to: id)
                }
            }
        }
    }

    /// - Parameter message: the same bytes, in memory that may be kept.
    func read(_ line: UnsafeRawBufferPointer, _ message: @autoclosure () -> ByteBuffer) {
        guard let reply = Reply.scan(line) else { return readGarbage(line) }
        switch reply.kind {
        case .result, .error: answered(line, message(), reply)
        case .request: asked(line, reply)
        case .notification: notified(line, message(), reply)
        }
    }

    /// A line that is no message; or one that nobody can be given, and then whoever waits for it need not wait any longer.
    func readGarbage(_ line: UnsafeRawBufferPointer) {
        counts.garbageLines += 1
        guard Reply.isUnusable(line), let number = StdioFraming.id(of: line), let caller = state.finish(number) else { return }
        caller.finish(.failed(.unusable))
    }

    func answered(_ line: UnsafeRawBufferPointer, _ message: @autoclosure () -> ByteBuffer, _ reply: Reply) {
        // Some servers answer what they cannot read with an error for nobody.
        guard let number = reply.number ?? (reply.kind.isError ? state.onlyPending : nil) else {
            counts.lateAnswers += 1
            return
        }
        if number == probe { return probed(line, reply) }
        if let caller = state.finish(number) {
            caller.finish(.answered(message(), reply))
        } else if state.isHandshake(number) {
            shookHands(line, reply)
        } else {
            counts.lateAnswers += 1
        }
    }

    func probed(_ line: UnsafeRawBufferPointer, _ reply: Reply) {
        probe = nil
        guard let number = state.handshake?.number else { return }
        guard case .stateless(let info) = EraVerdict(ByteBuffer(bytes: line), reply) else { return shakeHands(number) }
        becomeReady(info, isStateless: true)
    }

    func shookHands(_ line: UnsafeRawBufferPointer, _ reply: Reply) {
        guard let result = reply.result else {
            // One that was slow to answer the probe has taken it for the first word of the other era.
            if probe != nil { return }
            skipsProbe = false
            log.error("The MCP server refused 'initialize': \(String(decoding: line.prefix(1_000), as: UTF8.self))")
            return endProcess()
        }
        probe = nil
        becomeReady(InitializeResult(bytes: ByteBuffer(bytes: line[result])), isStateless: false)
    }

    func becomeReady(_ said: InitializeResult?, isStateless: Bool) {
        complaint.withLock { $0 = nil }
        info.withLock { $0 = said }
        stateless.store(isStateless, ordering: .relaxed)
        readySince = .now()
        if !isStateless { write(UpstreamMessage.initialized) }
        for request in state.shookHands(now: .now(), isStateless: isStateless) { write(request.bytes) }
        fail(state.takeMisfits())
        connected.store(true, ordering: .relaxed)
        armTimer()
        started(nil)
        if isStateless { subscriptions.begin() }
        onArrival()
    }

    func lostAnswer(to id: UInt64?) {
        counts.overlongLines += 1
        guard let number = id ?? state.onlyPending, let caller = state.finish(number) else { return }
        caller.finish(.failed(.answerTooLarge))
    }

    /// The server asks its client: through a shared process nothing can be asked but whether it is there. The one client of a process is
    /// asked through its latest request, or, if it waits for nothing, through a stream of its session. Where several clients may stand behind
    /// one, only the single call that is under way can be meant.
    func asked(_ line: UnsafeRawBufferPointer, _ reply: Reply) {
        // A server without sessions asks nothing but in its results.
        guard let id = reply.id, child?.isWritable ?? false, !isStateless else { return }
        if reply.method != .ping, let client = settings.client, !client.capabilities.isEmpty {
            let (start, idToken) = (counts.starts, Array(line[id]))
            let question = remembered(ByteBuffer(bytes: line), reply) { answer in
                // Another process knows nothing of the question, and may have asked one of the same name.
                self.atHome { if $0.counts.starts == start { $0.hasHeardClient(answer, id: idToken) } }
            }
            if let caller = state.addressee(ofOne: !client.isShared) {
                caller.ask(question)
            } else if state.hasSeveralCalls {
                question.refuse(code: -32603, "Several calls are under way, and the question does not say which of them it belongs to")
            } else {
                onQuestion(question)
            }
            return
        }
        let token = UnsafeRawBufferPointer(rebasing: line[id])
        write(UpstreamMessage.answer(to: reply.method, id: token))
    }

    func notified(_ line: UnsafeRawBufferPointer, _ message: ByteBuffer, _ reply: Reply) {
        if isStateless, reply.method == .other, let number = SubscriptionStamp.number(of: line) {
            // Of a stream that is open, or of none.
            if let caller = state.caller(of: number) { caller.notify(message, reply) } else { counts.droppedNotifications += 1 }
            return
        }
        if reply.method == .notificationsCancelled {
            guard let stopped = reply.requestIdToCancel.flatMap({ questions.withdraw(line.token($0)) }) else { return }
            return startClocks(of: stopped)
        }
        if isStateless, reply.concernsEveryClient(line) {
            counts.droppedNotifications += 1
            return
        }
        if reply.method == .notificationsProgress {
            if let caller = reply.progressNumber.flatMap({ state.caller(of: $0) }) { return caller.notify(message, reply) }
        } else if let client = settings.client {
            guard reply.method == .other else { return }
            if !reply.concernsEveryClient(line), let caller = state.addressee(ofOne: !client.isShared) {
                return caller.notify(message, reply)
            }
            return onNotification(message, reply)
        } else if reply.concernsEveryClient(line) {
            return onNotification(message, reply)
        } else if reply.method == .other, let caller = state.onlyListener {
            return caller.notify(message, reply)
        }
        counts.droppedNotifications += 1
    }
}

extension StdioUpstream {
    /// A question on its way to the client: until its end the clocks stand still, and the process may take it back.
    fileprivate func remembered(
        _ message: ByteBuffer, _ reply: Reply, answer: @escaping @Sendable (ByteBuffer) -> Void
    ) -> UpstreamQuestion {
        let question = UpstreamQuestion(message, reply, answer: answer)
        if questions.takes(question) { questions.add(question, stopping: state.stopClocks(at: .now())) }
        return question
    }

    /// Hands a client's answer, or that there is none, to the process.
    fileprivate func hasHeardClient(_ answer: ByteBuffer, id: [UInt8]) {
        if let stopped = questions.close(id) { startClocks(of: stopped) }
        write(answer)
    }

    fileprivate func startClocks(of numbers: [UInt64]) {
        state.startClocks(of: numbers, at: .now())
        armTimer()
    }
}

extension Reply.Kind {
    fileprivate var isError: Bool {
        if case .error = self { true } else { false }
    }
}
