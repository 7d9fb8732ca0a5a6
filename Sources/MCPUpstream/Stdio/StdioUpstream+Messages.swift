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
                case .line(let line): read(line)
                case .overlong(let id): lostAnswer(to: id)
                }
            }
        }
    }

    func read(_ line: UnsafeRawBufferPointer) {
        guard let reply = Reply.scan(line) else { return readGarbage(line) }
        switch reply.kind {
        case .result, .error: answered(line, reply)
        case .request: asked(line, reply)
        case .notification: notified(line, reply)
        }
    }

    /// A line that is no message; or one that nobody can be given, and then whoever waits for it need not wait any longer.
    func readGarbage(_ line: UnsafeRawBufferPointer) {
        counts.garbageLines += 1
        guard Reply.isUnusable(line), let number = StdioFraming.id(of: line), let caller = state.finish(number) else { return }
        caller.finish(.failed(.unusable))
    }

    func answered(_ line: UnsafeRawBufferPointer, _ reply: Reply) {
        // Some servers answer what they cannot read with an error for nobody.
        guard let number = reply.number ?? (reply.kind.isError ? state.onlyPending : nil) else {
            counts.lateAnswers += 1
            return
        }
        if number == probe { return probed(line, reply) }
        if let caller = state.finish(number) {
            caller.finish(.answered(ByteBuffer(bytes: line), reply))
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
    /// asked through its latest request, or, if it waits for nothing, through a stream of its session.
    func asked(_ line: UnsafeRawBufferPointer, _ reply: Reply) {
        // A server without sessions asks nothing but in its results.
        guard let id = reply.id, child?.isWritable ?? false, !isStateless else { return }
        if reply.method != .ping, let client = settings.client, !client.capabilities.isEmpty {
            let start = counts.starts
            let question = UpstreamQuestion(ByteBuffer(bytes: line), reply) { answer in
                // Another process knows nothing of the question, and may have asked one of the same name.
                self.atHome { if $0.counts.starts == start { $0.write(answer) } }
            }
            if let caller = state.latestCaller { caller.ask(question) } else { onQuestion(question) }
            return
        }
        let token = UnsafeRawBufferPointer(rebasing: line[id])
        write(UpstreamMessage.answer(to: reply.method, id: token))
    }

    func notified(_ line: UnsafeRawBufferPointer, _ reply: Reply) {
        let message = ByteBuffer(bytes: line)
        if isStateless, reply.method == .other, let number = SubscriptionStamp.number(of: line) {
            // Of a stream that is open, or of none.
            if let caller = state.caller(of: number) { caller.notify(message, reply) } else { counts.droppedNotifications += 1 }
            return
        }
        if isStateless, reply.concernsEveryClient(line) {
            counts.droppedNotifications += 1
            return
        }
        if reply.method == .notificationsProgress {
            if let caller = reply.progressNumber.flatMap({ state.caller(of: $0) }) { return caller.notify(message, reply) }
        } else if settings.client != nil {
            guard reply.method == .other else { return }
            if !reply.concernsEveryClient(line), let caller = state.latestCaller { return caller.notify(message, reply) }
            return onNotification(message, reply)
        } else if reply.concernsEveryClient(line) {
            return onNotification(message, reply)
        } else if reply.method == .other, let caller = state.onlyPending.flatMap({ state.caller(of: $0) }) {
            return caller.notify(message, reply)
        }
        counts.droppedNotifications += 1
    }
}

extension Reply.Kind {
    fileprivate var isError: Bool {
        if case .error = self { true } else { false }
    }
}
