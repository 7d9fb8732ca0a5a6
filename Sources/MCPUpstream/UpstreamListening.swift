// The stream on which a server of the revision 2026-07-28 says what belongs to no request: changed lists, changed resources.

import GateDomain
import MCPWire
import NIOCore

/// Keeps one `subscriptions/listen` open, for all lists and for the resources that somebody wants to hear of; confined to one event loop.
///
/// What is listened to is changed by opening another stream first, so nothing is lost in between. There is no replay: a stream that broke is
/// opened anew, and then whatever the server has may have changed. A server that has no such stream is not asked again before it comes back.
final class UpstreamListening {
    private enum Phase {
        /// The server is away, or of the era with sessions.
        case off
        case on
        /// It has no such streams.
        case refused
    }

    private let loop: any EventLoop
    /// Sends a listening request, or gives it up.
    private let transport: any UpstreamListeningTransport
    private let onNotification: @Sendable (ByteBuffer, Reply) -> Void
    /// Something may have been missed.
    private let onGap: @Sendable () -> Void
    private var phase = Phase.off
    private var current: Stream?
    private var next: Stream?
    private var wanted: Set<ExactText> = []
    private var waiting: [(uri: ExactText, completion: (Bool) -> Void)] = []
    private var reopening: Scheduled<Void>?
    private var shrinking: Scheduled<Void>?
    private var pause = shortestPause
    private var hasBroken = false

    /// Resources that are listened to, and bytes of all their names.
    private static let (most, mostBytes) = (1_000, 262_144)
    private static let (shortestPause, longestPause) = (TimeAmount.milliseconds(500), TimeAmount.seconds(15))
    /// How long a server may take to agree to a stream, before whoever waits for it is told no.
    private static let patience = TimeAmount.seconds(10)
    /// How long a stream goes on telling of a resource that nobody wants to hear of, so that many of them become one new stream.
    private static let leisure = TimeAmount.seconds(1)
    /// For how long a stream has to live so that the next one is opened soon after it.
    private static let fullLife = TimeAmount.seconds(15)

    init(
        on loop: any EventLoop, over transport: any UpstreamListeningTransport,
        onNotification: @escaping @Sendable (ByteBuffer, Reply) -> Void,
        onGap: @escaping @Sendable () -> Void
    ) {
        (self.loop, self.transport, self.onNotification, self.onGap) = (loop, transport, onNotification, onGap)
    }

    /// The server has come, or come back: it knows of no stream.
    func begin() {
        end()
        phase = .on
        (pause, hasBroken) = (Self.shortestPause, false)
        open()
    }

    /// The server has gone, or is to be left alone.
    func end() {
        phase = .off
        reopening?.cancel()
        shrinking?.cancel()
        (reopening, shrinking) = (nil, nil)
        let streams = [current.take(), next.take()]
        for case let stream? in streams {
            stream.deadline?.cancel()
            transport.giveUp(stream.number)
        }
        settle { _ in false }
    }

    func watch(_ uri: String, _ isWanted: Bool, _ completion: @escaping (Bool) -> Void) {
        let uri = ExactText(uri)
        guard isWanted else {
            // The stream goes on telling of it until another one is open; nobody is told then.
            if wanted.remove(uri) != nil { shrink() }
            return completion(true)
        }
        if current?.honours(uri) ?? false {
            wanted.insert(uri)
            return completion(true)
        }
        let bytes = wanted.reduce(uri.text.utf8.count) { $0 + $1.text.utf8.count }
        guard case .on = phase, wanted.count < Self.most, bytes <= Self.mostBytes, waiting.count < Self.most else {
            return completion(false)
        }
        wanted.insert(uri)
        waiting.append((uri, completion))
        open(after: .milliseconds(5))
    }

    // MARK: Streams

    /// Has the server tell of no more than somebody wants to hear of.
    private func shrink() {
        guard case .on = phase, shrinking == nil else { return }
        shrinking = loop.assumeIsolated().scheduleTask(in: Self.leisure) { [self] in
            shrinking = nil
            if let current, !current.honours(onlyAmong: wanted) { open() }
        }
    }

    /// - Parameter pause: so that several wishes become one stream.
    private func open(after pause: TimeAmount = .zero) {
        guard case .on = phase, reopening == nil else { return }
        reopening = loop.assumeIsolated().scheduleTask(in: pause) { [self] in
            reopening = nil
            openNow()
        }
    }

    private func openNow() {
        guard case .on = phase, next == nil else { return }
        let stream = Stream(number: transport.nextNumber(), uris: wanted, of: self)
        next = stream
        var filter: JSONObject = ["toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true]
        if !wanted.isEmpty { filter["resourceSubscriptions"] = .array(wanted.map { .string($0.text) }) }
        let request = StatelessRequest("subscriptions/listen", ["notifications": .object(filter)], number: stream.number)
        transport.listen(
            UpstreamRequest(number: stream.number, bytes: request.bytes, isCall: false, owner: .gate, fields: request.fields), to: stream)
        guard stream === next else { return }
        stream.deadline = loop.assumeIsolated().scheduleTask(in: Self.patience) { [self] in
            guard stream === next else { return }
            settle { _ in false }
            ended(stream, .failed(.timedOut))
            transport.giveUp(stream.number)
        }
    }

    fileprivate func acknowledged(_ stream: Stream) {
        guard stream === next else { return }
        next = nil
        let old = current
        current = stream
        stream.isOpen(since: loop.now)
        if let old { transport.giveUp(old.number) }
        if hasBroken {
            hasBroken = false
            onGap()
        }
        settle { stream.asks(for: $0) ? stream.honours($0) : nil }
        // Some are wanted no more since it was asked for.
        if !stream.honours(onlyAmong: wanted) { shrink() }
        // Wishes that came while it was opened.
        if !waiting.isEmpty { open(after: .milliseconds(5)) }
    }

    /// Tells whoever waits what has become of a wish; nil leaves it for later.
    private func settle(_ verdict: (ExactText) -> Bool?) {
        var rest: [(uri: ExactText, completion: (Bool) -> Void)] = []
        var told: [((Bool) -> Void, Bool)] = []
        for entry in waiting {
            guard let isHonoured = verdict(entry.uri) else {
                rest.append(entry)
                continue
            }
            if !isHonoured { wanted.remove(entry.uri) }
            told.append((entry.completion, isHonoured))
        }
        waiting = rest
        for (completion, isHonoured) in told { completion(isHonoured) }
    }

    fileprivate func said(_ message: ByteBuffer, _ reply: Reply, on stream: Stream) {
        guard stream === current || stream === next, let name = reply.methodName else { return }
        if message.says("notifications/resources/updated", at: name) {
            guard let uri = Self.uri(of: message), wanted.contains(ExactText(uri)) else { return }
        } else if !Self.lists.contains(where: { message.says($0, at: name) }) {
            return
        }
        let stripped = ByteBuffer(bytes: message.withUnsafeReadableBytes { SubscriptionStamp.stripped($0) })
        guard let reply = stripped.withUnsafeReadableBytes({ Reply.scan($0) }) else { return }
        onNotification(stripped, reply)
    }

    private static let lists: [StaticString] = [
        "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed",
    ]

    private static func uri(of message: ByteBuffer) -> String? {
        message.withUnsafeReadableBytes { bytes in
            MemberScan.range(of: ["params", "uri"], in: bytes).flatMap { JSONText.string(UnsafeRawBufferPointer(rebasing: bytes[$0])) }
        }
    }

    fileprivate func ended(_ stream: Stream, _ outcome: UpstreamOutcome) {
        guard case .on = phase, stream === current || stream === next else { return }
        let wasOpen = stream === current
        if wasOpen { current = nil } else { next = nil }
        stream.deadline?.cancel()
        guard !wasOpen, Self.isRefusal(outcome) else {
            // Who waits has seen several of them fail.
            if !wasOpen, pause > .seconds(2) { settle { _ in false } }
            // Another is open, and nobody wants more than it tells of.
            guard current == nil || !waiting.isEmpty else { return }
            hasBroken = hasBroken || current == nil
            if stream.hasLived(Self.fullLife, at: loop.now) { pause = Self.shortestPause }
            open(after: pause)
            pause = min(pause * 2, Self.longestPause)
            return
        }
        // What was wished for last may be too much for it; without that it is asked once more.
        let hadWishes = waiting.contains { stream.asks(for: $0.uri) }
        settle { stream.asks(for: $0) ? false : nil }
        if hadWishes {
            if current == nil || !waiting.isEmpty { open(after: .milliseconds(5)) }
        } else if current == nil {
            phase = .refused
            settle { _ in false }
        }
    }

    private static func isRefusal(_ outcome: UpstreamOutcome) -> Bool {
        switch outcome {
        case .answered(_, let reply): reply.error != nil
        case .failed(.refused(let status)): status < 500
        case .failed: false
        }
    }

    /// One listening request.
    final class Stream: UpstreamReceiver {
        let number: UInt64
        private let uris: Set<ExactText>
        private var honoured: Set<ExactText> = []
        private var openedAt: NIODeadline?
        /// When it is given up unless the server has agreed to it.
        fileprivate var deadline: Scheduled<Void>?
        private weak var all: UpstreamListening?

        fileprivate init(number: UInt64, uris: Set<ExactText>, of all: UpstreamListening) {
            (self.number, self.uris, self.all) = (number, uris, all)
        }

        fileprivate func isOpen(since now: NIODeadline) {
            openedAt = now
            deadline?.cancel()
        }

        fileprivate func hasLived(_ time: TimeAmount, at now: NIODeadline) -> Bool { openedAt.map { now - $0 >= time } ?? false }

        func asks(for uri: ExactText) -> Bool { uris.contains(uri) }
        func honours(_ uri: ExactText) -> Bool { honoured.contains(uri) }
        func honours(onlyAmong wanted: Set<ExactText>) -> Bool { honoured.isSubset(of: wanted) }

        func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
            guard let name = reply.methodName, message.says("notifications/subscriptions/acknowledged", at: name) else {
                all?.said(message, reply, on: self)
                return
            }
            let params = reply.params.flatMap { try? JSONValue.parse(message.token($0)) }
            let agreed = params?["notifications"]?["resourceSubscriptions"]?.arrayValue ?? []
            honoured = uris.intersection(agreed.lazy.compactMap { $0.stringValue.map(ExactText.init) })
            all?.acknowledged(self)
        }

        func upstreamFinished(_ outcome: UpstreamOutcome) { all?.ended(self, outcome) }
    }
}

/// How a listening request reaches its server; its calls are made on the event loop of the listening.
protocol UpstreamListeningTransport {
    func nextNumber() -> UInt64
    func listen(_ request: UpstreamRequest, to receiver: any UpstreamReceiver)
    func giveUp(_ number: UInt64)
}
