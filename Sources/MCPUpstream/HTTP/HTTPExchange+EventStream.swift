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

    private func heard(_ part: EventStreamParser.Event) -> Bool {
        guard !isFinished else { return true }
        switch part {
        case .data(let bytes): event.writeBytes(bytes)
        case .retry(let milliseconds): resumptionDelay = .milliseconds(Int64(min(milliseconds, 60_000)))
        case .overflow:
            event = ByteBuffer()
            // It may have been the answer.
            fail(.answerTooLarge)
            return false
        case .message(let type):
            // From here on nobody else has it: an answer is passed on as it was collected.
            var message = ByteBuffer()
            swap(&message, &event)
            return type.utf8.elementsEqual("message".utf8) ? heard(message) : true
        }
        return true
    }

    private func heard(_ message: ByteBuffer) -> Bool {
        if let reply = message.withUnsafeReadableBytes({ Reply.scan($0) }) { return heard(message, reply) }
        guard message.withUnsafeReadableBytes({ Reply.isUnusable($0) }) else { return true }
        // It may have been the answer.
        fail(.unusable)
        return false
    }

    /// False if the server answers somebody else here: then nothing that it says on this connection is believed.
    private func heard(_ message: ByteBuffer, _ reply: Reply) -> Bool {
        switch reply.kind {
        case .result, .error:
            guard answers(with: reply) else {
                fail(.unusable)
                return false
            }
            answered(message, reply)
        case .request:
            guard let id = reply.id else { return true }
            // A server without sessions asks nothing but in its results.
            guard !(session?.isStateless ?? false) else { return true }
            if reply.method != .ping, asked(message, reply) { return true }
            pool.say(
                message.withUnsafeReadableBytes { UpstreamMessage.answer(to: reply.method, id: UnsafeRawBufferPointer(rebasing: $0[id])) })
        case .notification: heard(notification: message, reply)
        }
        return true
    }

    /// Hands a question to the client, if there is one that can be asked.
    private func asked(_ message: ByteBuffer, _ reply: Reply) -> Bool {
        guard let client = pool.settings.client, !client.capabilities.isEmpty, let session else { return false }
        let pool = NIOLoopBound(pool, eventLoop: pool.loop)
        let question = UpstreamQuestion(message, reply) { answer in
            pool.eventLoop.execute { pool.value.say(answer, in: session) }
        }
        ask(question)
        return true
    }

    private func heard(notification message: ByteBuffer, _ reply: Reply) {
        if message.withUnsafeReadableBytes({ reply.concernsEveryClient($0) }) {
            guard session?.isStateless ?? false else { return pool.onNotification(message, reply) }
            // Of a server without sessions it belongs on a stream of its own, and is nothing for whoever has asked for something else.
            guard receiver is UpstreamListening.Stream else { return }
        }
        if reply.method == .notificationsCancelled, let id = reply.requestIdToCancel { withdrawn(message.token(id)) }
        let isForeign = reply.method == .notificationsProgress && reply.progressNumber != number
        // A server's cancellation concerns its own request, which was answered already.
        guard !isForeign, reply.method != .notificationsCancelled else { return }
        notify(message, reply)
    }
}
