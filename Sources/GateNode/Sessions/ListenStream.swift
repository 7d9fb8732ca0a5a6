// The answer to `subscriptions/listen`, which stays open: what a stateless client is told outside of its requests (2026-07-28).

import ClusterState
import GateDomain
import HTTPWire
import MCPWire
import NIOCore

/// What a stream is asked to tell, or has agreed to.
struct ListenFilter {
    /// The lists whose changes are told.
    enum List: String, CaseIterable {
        case tools, prompts, resources

        /// The member of `params.notifications` that asks for it.
        var member: String { rawValue + "ListChanged" }
        var method: String { "notifications/\(rawValue)/list_changed" }
    }

    var lists: Set<List> = []
    /// Resources whose changes are told, in the order of the request.
    var resources: [String] = []

    /// Resources of one stream, and bytes of their URIs: as of a session.
    static let (most, mostBytes) = (100, 32_768)
    /// Bytes of the parameters that are read.
    private static let longest = 262_144

    /// Nil if the parameters do not say it, or ask for more than there can be.
    init?(_ params: [UInt8]?) {
        guard let params, params.count <= Self.longest, let wanted = (try? JSONValue.parse(params))?["notifications"]?.objectValue else {
            return nil
        }
        for list in List.allCases {
            switch wanted[list.member] {
            case nil, .null?, .bool(false)?: break
            case .bool(true)?: lists.insert(list)
            default: return nil
            }
        }
        switch wanted["resourceSubscriptions"] {
        case nil, .null?: break
        case .array(let uris)?:
            guard uris.count <= Self.most else { return nil }
            for uri in uris {
                guard let uri = uri.stringValue, uri.utf8.count <= SubscriptionBook.longestURI else { return nil }
                if !resources.contains(where: { $0.hasSameBytes(as: uri) }) { resources.append(uri) }
            }
            guard resources.reduce(0, { $0 + $1.utf8.count }) <= Self.mostBytes else { return nil }
        default: return nil
        }
    }

    /// As the acknowledgement tells it: what is not agreed to is left out.
    var json: JSONValue {
        var all = JSONObject()
        for list in List.allCases where lists.contains(list) { all[list.member] = true }
        if !resources.isEmpty { all["resourceSubscriptions"] = .array(resources.map { .string($0) }) }
        return .object(all)
    }
}

/// The listening streams of one event loop; confined to that loop.
final class ListenStreams {
    private var streams: Set<ListenStream> = []
    /// What the names of streams begin with, by which they subscribe to resources.
    static let prefix = "listen:"
    /// Streams of one key on this loop, and of all who have none; as for the live streams of sessions.
    private let most: Int

    init(most: Int) { self.most = max(LiveStreams.cap, most) }

    var count: Int { streams.count }

    func hasRoom(for key: String) -> Bool { streams.count < most || streams.count { $0.key == key } < most }

    /// Turns an exchange into a stream, whose first message says what it will tell.
    /// - Parameters:
    ///   - name: of the stream, which no other has.
    ///   - onEnd: is called once, when the stream is over.
    func open(
        _ exchange: MCPExchange, _ filter: ListenFilter, for key: String, as name: String,
        check: @escaping (@escaping (Bool) -> Void) -> Void,
        onEnd: @escaping () -> Void
    ) {
        guard let connection = exchange.handOver() else { return onEnd() }
        let stream = ListenStream(exchange, filter, name, of: key, in: self, connection, check: check, onEnd: onEnd)
        streams.insert(stream)
        connection.became(stream)
        connection.write(AnswerHead.stream(of: exchange, closes: true))
        stream.acknowledge()
    }

    /// A list has changed. - Parameter key: whose stream hears of it; nil for everybody's.
    func changed(_ message: [UInt8], for key: String? = nil) {
        guard !streams.isEmpty else { return }
        let list = message.withUnsafeBytes { bytes in
            Reply.scan(bytes)?.methodName.flatMap { name in
                ListenFilter.List.allCases.first { bytes[name].elementsEqual($0.method.utf8) }
            }
        }
        guard let list else { return }
        for stream in streams where stream.filter.lists.contains(list) && (key.map { $0 == stream.key } ?? true) { stream.send(message) }
    }

    /// Tells some streams each its own news.
    func tell(_ news: [String: [[UInt8]]]) {
        for stream in streams { for message in news[stream.name] ?? [] { stream.send(message) } }
    }

    fileprivate func ended(_ stream: ListenStream) { streams.remove(stream) }
}

/// One listening stream. Nothing is kept for it when it is over: its client listens anew, and reads again what it needs.
final class ListenStream: HeldConnection {
    let filter: ListenFilter
    /// The id of the key that listens; empty for nobody's.
    let key: String
    let name: String
    /// The client's id of the request, as it stood: every message names it.
    private let id: [UInt8]
    private let all: ListenStreams
    private let connection: FrontHandler
    private let check: (@escaping (Bool) -> Void) -> Void
    private let onEnd: () -> Void
    private let stamp: [UInt8]
    private var nextKeepAlive = NIODeadline.now() + keepAlive
    private var hasEnded = false

    private static let keepAlive = TimeAmount.seconds(15)

    fileprivate init(
        _ exchange: MCPExchange, _ filter: ListenFilter, _ name: String, of key: String, in all: ListenStreams, _ connection: FrontHandler,
        check: @escaping (@escaping (Bool) -> Void) -> Void, onEnd: @escaping () -> Void
    ) {
        self.filter = filter
        self.name = name
        self.key = key
        self.all = all
        self.connection = connection
        self.check = check
        self.onEnd = onEnd
        id = exchange.idToken
        stamp = exchange.front.serverStamp
    }

    fileprivate func acknowledge() {
        let message: JSONValue = [
            "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": ["notifications": filter.json],
        ]
        send(message.bytes)
    }

    func send(_ message: [UInt8]) {
        guard let stamped = message.withUnsafeBytes({ SubscriptionStamp.stamped($0, id: id) }) else { return }
        // A stream that nobody reads has missed something from here on: its client has to come again.
        guard connection.takesMore else { return connection.reset() }
        connection.write(StreamFrame.event(stamped, allocator: connection.front.allocator))
    }

    func tick(at now: NIODeadline) {
        guard now >= nextKeepAlive else { return }
        nextKeepAlive = now + Self.keepAlive
        if connection.isRead { connection.write(StreamFrame.keepAlive(allocator: connection.front.allocator)) }
        // Nobody goes on listening with a key that holds no more.
        check { [weak self] mayListen in
            guard !mayListen, let self, !self.hasEnded else { return }
            self.farewell()
            self.connection.close()
        }
    }

    /// The end of our own accord: the request has its result, which is empty.
    func farewell() {
        guard !hasEnded else { return }
        var message = Array(#"{"jsonrpc":"2.0","id":"#.utf8) + id
        message += #","result":{"resultType":"complete","_meta":{"#.utf8
        message += SubscriptionStamp.member(id) + [UInt8(ascii: ",")] + stamp
        message += "}}}".utf8
        connection.write(StreamFrame.event(message, allocator: connection.front.allocator))
        connection.write(ByteBuffer(string: "0\r\n\r\n"))
    }

    /// The connection is gone.
    func ended() {
        guard !hasEnded else { return }
        hasEnded = true
        all.ended(self)
        onEnd()
    }
}

extension ListenStream: Hashable {
    static func == (left: ListenStream, right: ListenStream) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
