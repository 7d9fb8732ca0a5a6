// The wire between nodes and their Redis, in a test's hands: slowed, held, cut, or leading somewhere else.

import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A TCP proxy in front of one Redis. What it does to each direction of each connection may change at any time.
///
/// Bytes are never reordered within a direction and never altered. Connections are counted from 0 in the order in which they came.
package final class RedisProxy: Sendable {
    package enum Direction: Sendable { case requests, replies }

    /// What becomes of the bytes of one direction.
    package enum Passage: Sendable, Equatable {
        case open
        /// Each byte arrives so much later.
        case delayed(Duration)
        /// They wait, and arrive in order as soon as the direction is open or delayed again.
        case held
        /// Open until a piece contains the text; from that piece on held.
        case heldFrom(String)
        /// They are lost, with those that were held, as on a line that leads nowhere.
        case swallowed
        /// The connection is reset, as is each that comes, when it says who it is.
        case severed
    }

    /// Some of the connections.
    package struct Selection: Sendable {
        let contains: @Sendable (Connection) -> Bool

        package static let all = Selection { _ in true }
        /// Those that have subscribed to a channel.
        package static let feeds = Selection(contains: \.isFeed)
        package static let commands = Selection { !$0.isFeed }
        package static func number(_ index: Int) -> Selection { Selection { $0.index == index } }
        /// Those that have logged in under this name.
        package static func user(_ name: String) -> Selection { Selection { $0.user == name } }
        package static func from(_ index: Int) -> Selection { Selection { $0.index >= index } }
    }

    /// One connection of a node as it stands.
    package struct Connection: Sendable {
        package let index: Int
        /// Whether it has subscribed to a channel.
        package internal(set) var isFeed = false
        /// Under which name it has logged in; nil for none.
        package internal(set) var user: String?
        package internal(set) var isOpen = true
    }

    /// What holds for connections that are still to come, and who has come so far.
    private struct State: Sendable {
        var target: Int
        var connections: [ProxiedConnection] = []
        var rules: [(direction: Direction, passage: Passage, selection: Selection)] = []
        var admitted = Selection.all
    }

    package let port: Int
    private let state: Mutex<State>
    private let server: any Channel

    /// Listens on a free port of 127.0.0.1 and passes everything on to the Redis on `target`.
    package init(to target: Int) async throws {
        let port = FreePort.take()
        let relay = Relay()
        self.port = port
        state = Mutex(State(target: target))
        server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in relay.accept(channel) }
            .bind(host: "127.0.0.1", port: port).get()
        relay.proxy.withLock { $0 = { [weak self] in self?.accept($0) ?? $0.close() } }
    }

    deinit { server.close(promise: nil) }

    package var url: String { "redis://127.0.0.1:\(port)" }

    /// The connections so far, also those that have ended.
    package var connections: [Connection] { all.map(\.facts) }

    /// Whether bytes that are held contain the text.
    package func holds(_ text: String, _ direction: Direction = .requests) async throws -> Bool {
        let found = try await each(.all) { $0.flow(direction).contains(text) }
        return found.contains(true)
    }

    /// Rules for one direction of those connections that the selection names, now and whenever one is opened; the latest rule wins.
    package func set(_ direction: Direction, _ passage: Passage, on selection: Selection = .all) async throws {
        state.withLock { $0.rules.append((direction, passage, selection)) }
        try await each(selection) { $0.set(direction, passage) }
    }

    /// Everything is open, and what was held arrives; connections that have lost something are reset.
    package func heal() async throws {
        state.withLock { state in
            state.rules = []
            state.admitted = .all
        }
        try await each(.all) { connection in
            guard !connection.isStranded else { return }
            connection.set(.requests, .open)
            connection.set(.replies, .open)
        }
    }

    /// Resets both sides. Connections that are opened later are not touched.
    package func cut(_ selection: Selection = .all) async throws {
        try await each(selection) { $0.reset() }
    }

    /// Only these connections may be opened from now on; others are reset.
    package func admitOnly(_ selection: Selection) {
        state.withLock { $0.admitted = selection }
    }

    /// Resets the node's side of the connections alone: requests that are held may still reach Redis, whose replies nobody hears.
    /// Connections that are opened later are open.
    package func strand(_ selection: Selection = .all) async throws {
        state.withLock { $0.rules = [] }
        try await each(selection) { $0.strand() }
    }

    /// Lets the requests of stranded connections reach Redis and waits until it has answered them.
    package func deliverStranded() async throws {
        try await each(.all) { if $0.isStranded { $0.requests.passage = .open } }
        try await eventually("Redis answers what was stranded", within: .seconds(5)) {
            try await each(.all) { !$0.isStranded || $0.isAnswered }.allSatisfy(\.self)
        }
    }

    /// Connections that are opened from now on lead to another Redis, those that stand stay as they are: an address that has moved.
    package func redirect(to target: Int) {
        state.withLock { $0.target = target }
    }

    private var all: [ProxiedConnection] { state.withLock { $0.connections } }

    @discardableResult
    private func each<Value: Sendable>(_ selection: Selection, _ body: @escaping @Sendable (ProxiedConnection.Parts) -> Value) async throws
        -> [Value]
    {
        var values: [Value] = []
        for connection in all where selection.contains(connection.facts) { values.append(try await connection.submit(body)) }
        return values
    }

    private func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
        let (connection, target, isAdmitted) = state.withLock { state in
            let connection = ProxiedConnection(index: state.connections.count, node: channel)
            state.connections.append(connection)
            return (connection, state.target, state.admitted.contains(connection.facts))
        }
        guard isAdmitted else { return connection.refuse() }
        return connection.open(to: target) { [weak self] direction, facts in
            self?.state.withLock { $0.rules.last { $0.direction == direction && $0.selection.contains(facts) }?.passage } ?? .open
        }
    }
}

/// Stands between the listener and the proxy, which is there only once it listens.
private final class Relay: Sendable {
    let proxy = Mutex<(@Sendable (any Channel) -> EventLoopFuture<Void>)?>(nil)

    func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
        proxy.withLock { $0 }?(channel) ?? channel.close()
    }
}
