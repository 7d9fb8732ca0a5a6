// What a server says on the stream that answers one request: notifications, requests of its own, and the answer.

import HTTPWire
import MCPWire
import NIOCore

extension HTTPExchange {
    /// Reads a part of the stream. False if no more of it is wanted.
    func read(_ part: ByteBuffer) -> Bool {
        // Not read in place: whoever hears an event may end this exchange.
        guard var parser = stream.take() else { return false }
        var isWanted = true
        part.withUnsafeReadableBytes { bytes in
            parser.feed(bytes) { event in isWanted = heard(event) && isWanted }
        }
        stream = parser
        return isWanted
    }

    private func heard(_ event: EventStreamParser.Event) -> Bool {
        guard !isFinished else { return true }
        switch event {
        case .retry(let milliseconds): resumptionDelay = .milliseconds(Int64(min(milliseconds, 60_000)))
        case .overflow:
            // It may have been the answer.
            fail(.answerTooLarge)
            return false
        case .message("message", let data):
            if let reply = Reply.scan(data) { return heard(data, reply) }
            guard Reply.isUnusable(data) else { return true }
            // It may have been the answer.
            fail(.unusable)
            return false
        case .message: break
        }
        return true
    }

    /// False if the server answers somebody else here: then nothing that it says on this connection is believed.
    private func heard(_ message: UnsafeRawBufferPointer, _ reply: Reply) -> Bool {
        switch reply.kind {
        case .result, .error:
            guard answers(with: reply) else {
                fail(.unusable)
                return false
            }
            answered(ByteBuffer(bytes: message), reply)
        case .request:
            guard let id = reply.id else { return true }
            // A server without sessions asks nothing but in its results.
            guard !(session?.isStateless ?? false) else { return true }
            if reply.method != .ping, asked(message, reply) { return true }
            pool.say(UpstreamMessage.answer(to: reply.method, id: UnsafeRawBufferPointer(rebasing: message[id])))
        case .notification: heard(notification: message, reply)
        }
        return true
    }

    /// Hands a question to the client, if there is one that can be asked.
    private func asked(_ message: UnsafeRawBufferPointer, _ reply: Reply) -> Bool {
        guard let client = pool.settings.client, !client.capabilities.isEmpty, let session else { return false }
        let pool = NIOLoopBound(pool, eventLoop: pool.loop)
        let question = UpstreamQuestion(ByteBuffer(bytes: message), reply) { answer in
            pool.eventLoop.execute { pool.value.say(answer, in: session) }
        }
        ask(question)
        return true
    }

    private func heard(notification message: UnsafeRawBufferPointer, _ reply: Reply) {
        if reply.concernsEveryClient(message) {
            guard session?.isStateless ?? false else { return pool.onNotification(ByteBuffer(bytes: message), reply) }
            // Of a server without sessions it belongs on a stream of its own, and is nothing for whoever has asked for something else.
            guard receiver is UpstreamListening.Stream else { return }
        }
        let isForeign = reply.method == .notificationsProgress && reply.progressNumber != number
        // A server's cancellation concerns its own request, which was answered already.
        guard !isForeign, reply.method != .notificationsCancelled else { return }
        notify(ByteBuffer(bytes: message), reply)
    }
}
