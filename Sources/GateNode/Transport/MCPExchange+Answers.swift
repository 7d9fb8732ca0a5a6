// The few shapes that an answer on /mcp has.

import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

extension MCPExchange {
    /// What the request shows to prove its key.
    var proof: Proof { Self.proof(of: head) }

    /// The same before there is a body.
    static func proof(of head: HTTP1RequestHead) -> Proof {
        Proof.ofKey { header in
            switch header {
            case .apiKey: head.fields.string(of: .xAPIKey)
            case .adminKey: head.fields.string(of: .xAdminKey)
            case .authorization: head.fields.string(of: .authorization)
            }
        }
    }

    /// A plain HTTP refusal: `{error, requestId}` (F-HTTP-02).
    func refuse(_ status: Int, _ sentence: String, retryAfter: Int? = nil) {
        readings.retryAfter = retryAfter
        let body: JSONValue = ["error": .string(sentence), "requestId": .string(requestID)]
        answer(status: status, body.bytes)
    }

    /// 405 with the methods that will do (RFC 9110 15.5.6).
    func refuseMethod(_ sentence: String, allowing methods: StaticString = "GET, POST, DELETE, OPTIONS") {
        readings.allow = methods
        refuse(405, sentence)
    }

    /// A JSON-RPC result under the client's own id; `result` is a JSON value.
    func succeed(_ result: some Collection<UInt8>) {
        answer(message(.result, Array(result)))
    }

    /// A JSON-RPC error under the client's own id; `data` is a JSON value.
    func fail(status: Int = 200, code: Int, _ sentence: String, data: [UInt8]? = nil, retryAfter: Int? = nil) {
        readings.retryAfter = retryAfter ?? readings.retryAfter
        answer(status: status == 200 ? self.status(of: code) : status, failure(code: code, sentence, data: data))
    }

    /// The HTTP status that a JSON-RPC error travels on: in the era of sessions always 200.
    func status(of code: Int) -> Int { isStateless ? StatelessEra.status(of: code) : 200 }

    func failure(code: Int, _ sentence: String, data: [UInt8]? = nil) -> [UInt8] {
        var message = opening(capacity: 160 + sentence.utf8.count + (data?.count ?? 0))
        message += #""error":{"code":"#.utf8
        JSONText.append(code, to: &message)
        message += #","message":"#.utf8
        JSONText.append(sentence, to: &message)
        if let data {
            message += #","data":"#.utf8
            message += data
        }
        message += "}}".utf8
        return message
    }

    /// What a response has beside its id.
    enum Outcome: String { case result, error }

    /// A whole message under the client's own id. - Parameter value: JSON.
    func message(_ outcome: Outcome, _ value: [UInt8]) -> [UInt8] {
        let value = isStateless && outcome == .result ? frame.dressed(value) : value
        var message = opening(capacity: value.count + 16)
        message.append(UInt8(ascii: "\""))
        message += outcome.rawValue.utf8
        message += #"":"#.utf8
        message += value
        message.append(UInt8(ascii: "}"))
        return message
    }

    /// A whole message under the client's own id, but for its value and the brace behind that.
    func beginning(of outcome: Outcome) -> [UInt8] { opening(capacity: 16) + #""\#(outcome.rawValue)":"#.utf8 }

    /// The beginning of a result of the gate's own, with what the stateless era asks for. - Parameter members: the first ones, after the brace.
    func beginning(ofResult members: String) -> [UInt8] {
        var message = beginning(of: .result)
        if isStateless {
            message += frame.dressed(Array("{}".utf8)).dropLast()
            message.append(UInt8(ascii: ","))
        } else {
            message.append(UInt8(ascii: "{"))
        }
        message += members.utf8
        return message
    }

    /// The value of a header of the request, for stages. - Parameter name: in lower case.
    func header(_ name: StaticString) -> String? { head.fields.strings(named: name).first }

    /// The text of a string token of the request; nil if it holds half a surrogate pair.
    func string(_ token: Range<Int>) -> String? {
        body.withUnsafeReadableBytes { JSONText.string(UnsafeRawBufferPointer(rebasing: $0[token])) }
    }

    /// The method's decoded name; empty if it is longer than any that we know, however it is escaped.
    var method: String {
        let token = envelope.methodName.map { $0.lowerBound - 1..<$0.upperBound + 1 }
        return token.flatMap { $0.count <= Envelope.longestName * 6 ? string($0) : nil } ?? ""
    }

    private func opening(capacity: Int) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(capacity + 96)
        message += #"{"jsonrpc":"2.0","#.utf8
        // What was no request, or could not be read, has no id to be answered under, and `null` is none (MCP Base Protocol, Responses).
        if envelope.kind == .request, envelope.id != nil {
            message += #""id":"#.utf8
            message += idToken
            message.append(UInt8(ascii: ","))
        }
        return message
    }

    /// The id of the client's request as it stood, `null` if there was none.
    var idToken: [UInt8] {
        envelope.id.map { body.token($0) } ?? Array("null".utf8)
    }

    /// What a result of the stateless era says besides.
    private var frame: StatelessResult { StatelessEra.frame(of: self) }

    /// The store is away: retryable, and said at once (F25).
    func failForStore() {
        fail(status: 503, code: -32603, "The store is unavailable; nothing was charged. Try again.", retryAfter: 1)
    }

    /// Passes an upstream's message on under the client's own id.
    func relay(_ message: ByteBuffer, _ reply: Reply) {
        answer(status: status(of: reply), restored(message, reply))
    }

    /// As `status(of:)`, of what a server has answered.
    func status(of reply: Reply) -> Int {
        guard isStateless, case .error(let code) = reply.kind else { return 200 }
        return status(of: self.code(code))
    }

    /// The code for that of a server: what is reserved by the one revision has no meaning in the others.
    private func code(_ code: Int) -> Int {
        guard isOfStatelessServer else { return isStateless ? StatelessEra.code(code) : code }
        // What the client has not declared, and the server needs: the client's own affair.
        if isStateless { return code == -32021 ? code : StatelessEra.code(code) }
        return (-32099 ... -32020).contains(code) ? -32603 : code
    }

    /// What has to be changed in a server's answer for a client of the stateless era.
    private func edits(in bytes: UnsafeRawBufferPointer, _ reply: Reply) -> [Splice.Edit] {
        guard isStateless || isOfStatelessServer else { return [] }
        if isStateless, let result = reply.result, reply.error == nil {
            return frame.edits(in: UnsafeRawBufferPointer(rebasing: bytes[result]), at: result.lowerBound)
        }
        guard case .error(let code) = reply.kind, let error = reply.error, self.code(code) != code,
            let place = MemberScan.range(of: ["code"], in: UnsafeRawBufferPointer(rebasing: bytes[error]))
        else { return [] }
        let number = Array(String(self.code(code)).utf8)
        return [.init(error.lowerBound + place.lowerBound..<error.lowerBound + place.upperBound, .bytes(number))]
    }

    /// The message with the client's id in it, byte for byte as the client wrote it (F33).
    func restored(_ message: ByteBuffer, _ reply: Reply) -> AnswerBody {
        guard message.readableBytes >= AnswerBody.large else { return .whole(rewritten(message, reply)) }
        let own = message.withUnsafeReadableBytes { edits(in: $0, reply) }
        var parts = AnswerParts()
        if let id = reply.id {
            let all = [Splice.Edit(id, .bytes(idToken))] + own
            parts.append(0..<message.readableBytes, of: message, all.sorted { $0.range.lowerBound < $1.range.lowerBound })
        } else {
            let (outcome, value) = reply.error.map { (Outcome.error, $0) } ?? (.result, reply.result ?? 0..<0)
            parts.append(beginning(of: outcome))
            parts.append(value, of: message, own)
            parts.append([UInt8(ascii: "}")])
        }
        return parts.body()
    }

    /// The same in one piece.
    private func rewritten(_ message: ByteBuffer, _ reply: Reply) -> [UInt8] {
        message.withUnsafeReadableBytes { bytes in
            let own = edits(in: bytes, reply)
            if let id = reply.id {
                let restored = Splice.Edit(id, .bytes(idToken))
                guard !own.isEmpty else { return Splice.apply([restored], to: bytes) }
                let all = [restored] + own
                return Splice.apply(all.sorted { $0.range.lowerBound < $1.range.lowerBound }, to: bytes)
            }
            // An answer for nobody in particular, which its connection or its being alone has told to be ours.
            let (member, value) = reply.error.map { ("error", $0) } ?? ("result", reply.result ?? 0..<0)
            var answer = opening(capacity: value.count + 16)
            answer += #""\#(member)":"#.utf8
            let moved = own.map {
                Splice.Edit($0.range.lowerBound - value.lowerBound..<$0.range.upperBound - value.lowerBound, $0.replacement)
            }
            Splice.append(moved, to: UnsafeRawBufferPointer(rebasing: bytes[value]), output: &answer)
            answer.append(UInt8(ascii: "}"))
            return answer
        }
    }

    /// Passes a notification on that belongs to this request, under the client's own progress token.
    func relay(notification message: ByteBuffer, _ reply: Reply) {
        guard !isStateless || StatelessEra.hears(message, reply, exchange: self) else { return }
        guard let token = reply.progressToken else { return send(message.readableBytesView) }
        guard let own = envelope.progressToken else { return }
        send(message.withUnsafeReadableBytes { Splice.apply([.init(token, .bytes(body.token(own)))], to: $0) })
    }
}
