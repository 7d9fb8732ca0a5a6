// What the gate asks of a server for itself: no client's ids, no client's bytes.

package import MCPWire
package import NIOCore

extension Upstream {
    /// Asks with a message of the gate's own, and hands over what became of it, once.
    /// - Parameters:
    ///   - capabilities: what the request declares that its sender can do, as JSON, where the server has had no handshake.
    ///   - limit: how long the server may take.
    ///   - client: whose own server it is asked of; nil for the one that all share.
    package func ask(
        _ method: String, _ params: JSONValue = [:], declaring capabilities: [UInt8] = Array("{}".utf8), within limit: TimeAmount,
        of client: UpstreamClient? = nil, on loop: any EventLoop,
        _ completion: @escaping (UpstreamOutcome) -> Void
    ) {
        let number = nextNumber()
        let owner: UpstreamRequest.Owner = client.map { .key($0.key) } ?? .gate
        let request: UpstreamRequest
        if isStateless {
            let own = StatelessRequest(method, params, number: number, declaring: capabilities)
            request = UpstreamRequest(
                number: number, bytes: own.bytes, deadline: .now() + limit, isCall: false, owner: owner, fields: own.fields)
        } else {
            let message: JSONValue = ["jsonrpc": "2.0", "id": .int(Int64(number)), "method": .string(method), "params": params]
            request = UpstreamRequest(
                number: number, bytes: ByteBuffer(bytes: message.bytes), deadline: .now() + limit, isCall: false, owner: owner,
                client: client, isOfGate: true)
        }
        send(request, to: NIOLoopBound(Asker(completion), eventLoop: loop), on: loop)
    }
}

private final class Asker: UpstreamReceiver {
    private let completion: (UpstreamOutcome) -> Void
    /// Keeps itself until it has been told: nobody else does.
    private var keeper: Asker?

    init(_ completion: @escaping (UpstreamOutcome) -> Void) {
        self.completion = completion
        keeper = self
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {}

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        keeper = nil
        completion(outcome)
    }
}
