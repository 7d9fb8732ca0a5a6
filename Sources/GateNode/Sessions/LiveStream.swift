// A GET /mcp that stays open: the session's own stream of notifications.

import ClusterState
import HTTPWire
import MCPWire
import NIOCore

/// One live event stream; it belongs to the node that holds its socket (F-MCP-06).
final class LiveStream {
    let session: Session
    /// The digest of the credential that opened it; empty for none.
    let credential: String
    private let lane: Lane
    private let connection: FrontHandler
    private let holder: String
    let openedAt = NIODeadline.now()
    private var nextKeepAlive = NIODeadline.now() + keepAlive
    private var events = 0
    private var hasEnded = false

    /// Streams of one session over all nodes (F-MCP-03).
    static let cap = 3
    private static let keepAlive = TimeAmount.seconds(30)
    /// Milliseconds that a place is held without being renewed.
    private static let hold = 90_000

    private init(_ session: Session, credential: String, _ lane: Lane, _ connection: FrontHandler, holder: String) {
        self.session = session
        self.credential = credential
        self.lane = lane
        self.connection = connection
        self.holder = holder
    }

    static func open(_ exchange: MCPExchange) {
        guard exchange.head.fields.contains(.accept), exchange.head.fields.accepts(.eventStream) else {
            return exchange.refuse(405, "Method not allowed. GET needs Accept: text/event-stream")
        }
        let lane = exchange.lane
        lane.sessions.enter(exchange) {
            guard let session = exchange.session else { return }
            let holder = lane.nextID()
            lane.link.send(place(session, holder: holder, lane, leaving: false)) { result in
                if case .success(let reply) = result, reply.integer(at: 0) == 1 {
                    return exchange.refuse(429, "Too many streams on this session", retryAfter: 30)
                }
                begin(exchange, session, holder: holder)
            }
        }
    }

    private static func begin(_ exchange: MCPExchange, _ session: Session, holder: String) {
        let lane = exchange.lane
        guard let connection = exchange.handOver() else { return }
        let credential = exchange.credential.map { KeyCache.digest($0) } ?? ""
        let stream = LiveStream(session, credential: credential, lane, connection, holder: holder)
        lane.streams.insert(stream)
        connection.became(stream)
        var head = lane.allocator.buffer(capacity: 1024)
        AnswerHead.write(status: 200, of: exchange, closes: true, into: &head)
        AnswerHead.writeStreamFields(into: &head)
        connection.write(head)
        let hello: JSONValue = [
            "jsonrpc": "2.0", "method": "notifications/initialized", "params": ["sessionId": .string(session.id)],
        ]
        stream.send(hello.bytes)
    }

    func send(_ message: some Collection<UInt8>) {
        events += 1
        connection.write(StreamFrame.event(message, id: "\(holder)-\(events)", allocator: lane.allocator))
    }

    func tick(at now: NIODeadline) {
        guard now >= nextKeepAlive else { return }
        nextKeepAlive = now + Self.keepAlive
        connection.write(StreamFrame.keepAlive(allocator: lane.allocator))
        lane.link.send(Self.place(session, holder: holder, lane, leaving: false)) { _ in }
    }

    /// Ends the stream from our side.
    func close() {
        guard !hasEnded else { return }
        connection.write(ByteBuffer(string: "0\r\n\r\n"))
        connection.close()
    }

    /// The connection is gone.
    func ended() {
        guard !hasEnded else { return }
        hasEnded = true
        lane.streams.remove(self)
        lane.link.send(Self.place(session, holder: holder, lane, leaving: true)) { _ in }
    }

    private static func place(_ session: Session, holder: String, _ lane: Lane, leaving: Bool) -> RedisCommand {
        lane.sessions.commands.place(of: session.id, holder: holder, cap: cap, lifetime: hold, leaving: leaving)
    }
}

extension LiveStream: Hashable {
    static func == (left: LiveStream, right: LiveStream) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
