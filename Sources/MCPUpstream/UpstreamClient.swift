// A client that a server can ask, and what it is asked.

package import MCPWire
package import NIOCore
import Synchronization

/// One client's session, for which a server keeps a process or a session of its own: what the server says there concerns this client alone.
package struct UpstreamClient: Sendable, Hashable {
    /// The id of the session at the gate.
    package let session: String
    /// The id of the key that acts in it.
    package let key: String
    /// What the client has declared.
    package let capabilities: ClientCapabilities
    /// Whether it may be several clients, each with calls of its own: a key whose requests have no session.
    package let isShared: Bool

    package init(session: String, key: String, capabilities: ClientCapabilities, isShared: Bool = false) {
        self.isShared = isShared
        self.session = session
        self.key = key
        self.capabilities = capabilities
    }
}

/// What a server asks of its client: sampling, elicitation, roots.
package struct UpstreamQuestion: Sendable {
    /// The whole request of the server.
    package private(set) var message: ByteBuffer
    /// Its parts; `id` is there.
    package private(set) var reply: Reply
    /// How whoever has passed it on hears that the server wants no answer any more.
    package internal(set) var withdrawal = QuestionWithdrawal()
    /// Who waits for the answer.
    package let asker: UpstreamAsker
    /// What a server of the revision 2026-07-28 calls it among the questions of a round; nil for one that is a request.
    package let name: String?
    /// Bytes that are kept for its server until it is answered.
    package let held: Int

    /// - Parameter answer: takes a whole JSON-RPC answer, on any thread.
    init(_ message: ByteBuffer, _ reply: Reply, name: String? = nil, held: Int = 0, answer: @escaping @Sendable (ByteBuffer) -> Void) {
        self.name = name
        self.held = held
        self.message = message
        self.reply = reply
        asker = UpstreamAsker(idToken: reply.id.map { message.token($0) } ?? Array("null".utf8), send: answer)
    }

    /// The same question in other words. - Parameter reply: the parts of `message`; `id` is there.
    package func saying(_ message: ByteBuffer, _ reply: Reply) -> UpstreamQuestion {
        var other = self
        (other.message, other.reply) = (message, reply)
        return other
    }

    /// Whether it is an elicitation that sends somebody to a page; any other shows a form.
    package var asksForURL: Bool {
        guard let params = reply.params else { return false }
        return message.withUnsafeReadableBytes { bytes in
            let params = UnsafeRawBufferPointer(rebasing: bytes[params])
            guard let mode = MemberScan.range(of: ["mode"], in: params) else { return false }
            return JSONText.string(UnsafeRawBufferPointer(rebasing: params[mode]))?.utf8.elementsEqual("url".utf8) ?? false
        }
    }

    /// Whether a client that has declared these capabilities may be asked this.
    package func isCovered(by capabilities: ClientCapabilities) -> Bool {
        guard let method = reply.methodName else { return false }
        if message.says("sampling/createMessage", at: method) {
            return capabilities.contains(.sampling) && (capabilities.contains(.samplingTools) || !names("tools") && !names("toolChoice"))
        }
        if message.says("elicitation/create", at: method) { return capabilities.contains(asksForURL ? .elicitationURL : .elicitation) }
        return message.says("roots/list", at: method) && capabilities.contains(.roots)
    }

    /// Whether its params have a member of this name.
    package func names(_ member: StaticString) -> Bool {
        guard let params = reply.params else { return false }
        return message.withUnsafeReadableBytes { bytes in
            MemberScan.range(of: [member], in: UnsafeRawBufferPointer(rebasing: bytes[params])) != nil
        }
    }

    /// Tells the server that nobody will answer.
    package func refuse(code: Int = -32601, _ sentence: String = "Method not found") { asker.refuse(code: code, sentence) }
}

/// Tells that a server has taken a question back (`notifications/cancelled`), or is gone: once, whichever came first, the listener or the end.
package final class QuestionWithdrawal: Sendable {
    private let state = Mutex<(listener: (@Sendable () -> Void)?, isOver: Bool)>((nil, false))

    /// Names the one listener, which is called on any thread.
    package func listen(_ listener: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            if !state.isOver { state.listener = listener }
            return state.isOver
        }
        if isOver { listener() }
    }

    func withdraw() {
        let listener = state.withLock { state in
            defer { state = (nil, true) }
            return state.listener
        }
        listener?()
    }
}

/// The way back to a server that has asked something. It is answered once; silence would block the server.
package struct UpstreamAsker: Sendable {
    /// The server's own id of the question, as it stood.
    let idToken: [UInt8]
    let send: @Sendable (ByteBuffer) -> Void

    /// Hands the client's answer to the server.
    /// - Parameters:
    ///   - message: a JSON-RPC answer.
    ///   - id: where its id stands; the server's own takes its place.
    package func answer(_ message: ByteBuffer, id: Range<Int>) {
        send(ByteBuffer(bytes: message.withUnsafeReadableBytes { Splice.apply([.init(id, .bytes(idToken))], to: $0) }))
    }

    /// Tells the server that nobody will answer.
    package func refuse(code: Int, _ sentence: String) {
        var message = Array(#"{"jsonrpc":"2.0","id":"#.utf8) + idToken
        message += #","error":{"code":"#.utf8
        JSONText.append(code, to: &message)
        message += #","message":"#.utf8
        JSONText.append(sentence, to: &message)
        message += "}}".utf8
        send(ByteBuffer(bytes: message))
    }
}
