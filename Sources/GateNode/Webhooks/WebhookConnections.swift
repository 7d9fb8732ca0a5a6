// Connections to sinks that are kept open: one client for each host, port and protocol, bound to the one address that was checked.

import AsyncHTTPClient
import GateValues
import NIOCore
import NIOPosix
import Synchronization

/// The clients of a node's webhooks, by where they go: a host, a port, and whether it is TLS. What one of them does is no matter of another:
/// a sink that breaks its connections breaks no other's, and whether a connection may be an old one is known of the very sink.
///
/// Invariant: a client connects to the address that it was made for and to no other, whatever its host's name has come to mean. What was
/// looked up holds for `life`; then, and after a connection that failed, the host is looked up and checked again (F-WH-16). A client that is
/// there no more ends when nobody uses it any more.
final class WebhookConnections: Sendable {
    /// Places whose connections are kept; more than sinks can be served at once. One above it has a client for one request.
    static let capacity = 512
    /// How long a look-up holds.
    static let life = Duration.seconds(30)
    /// How long a connection stays open that nobody uses.
    private static let idle = TimeAmount.seconds(30)
    /// For a connection to be made (F-WH-17).
    private static let connectLimit = TimeAmount.seconds(5)

    /// A client with what is known of it. Whoever gets one lets it go with `release`.
    final class Client: Sendable {
        let place: WebhookURL.Place
        let address: String
        fileprivate let http: HTTPClient
        private struct State {
            var users = 1
            var isRetired = false
            var hasServed = false
        }
        private let state = Mutex(State())

        fileprivate init(_ place: WebhookURL.Place, address: String) {
            (self.place, self.address) = (place, address)
            var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
            configuration.timeout.connect = WebhookConnections.connectLimit
            configuration.httpVersion = .http1Only
            configuration.connectionPool.idleTimeout = WebhookConnections.idle
            // Sinks of one place do not wait for one another.
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = WebhookConnections.capacity
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.dnsOverride = [place.host: address]
            http = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
        }

        /// Whether it has brought an answer before, so that a connection of it may be an old one.
        var hasServed: Bool { state.withLock { $0.hasServed } }

        /// Sends a request; the body of its answer is still to be read.
        func execute(_ request: HTTPClientRequest, within limit: TimeAmount) async throws -> HTTPClientResponse {
            try await http.execute(request, timeout: limit)
        }

        fileprivate var isIdle: Bool { state.withLock { $0.users == 0 } }

        /// False where it is being ended.
        fileprivate func use() -> Bool {
            state.withLock { state in
                if state.isRetired { return false }
                state.users += 1
                return true
            }
        }

        fileprivate func leave(hasServed: Bool) {
            let isOver = state.withLock { state in
                state.users -= 1
                if hasServed { state.hasServed = true }
                return state.isRetired && state.users == 0
            }
            if isOver { end() }
        }

        fileprivate func retire() {
            let isOver = state.withLock { state in
                defer { state.isRetired = true }
                return !state.isRetired && state.users == 0
            }
            if isOver { end() }
        }

        private func end() {
            http.shutdown { [http] _ in _ = http }
        }
    }

    private struct Entry {
        let client: Client
        var checkedAt: ContinuousClock.Instant
        var usedAt: ContinuousClock.Instant
    }

    private struct State {
        var entries: [WebhookURL.Place: Entry] = [:]
        var isOver = false
    }

    private let state = Mutex(State())

    deinit { end() }

    /// Places whose connections are kept at this moment.
    var count: Int { state.withLock { $0.entries.count } }

    /// The client of a place whose look-up still holds; nil where it has to be looked up.
    func client(of place: WebhookURL.Place, now: ContinuousClock.Instant = .now) -> Client? {
        state.withLock { state in
            guard let entry = state.entries[place], now - entry.checkedAt < Self.life, entry.client.use() else { return nil }
            state.entries[place]?.usedAt = now
            return entry.client
        }
    }

    /// A client of a place whose host was looked up and checked just now: the one that there is, if its address is still among those that were
    /// found, else a new one for the first of them.
    /// - Parameter addresses: all that the host has, at least one.
    func client(of place: WebhookURL.Place, checked addresses: [String], now: ContinuousClock.Instant = .now) -> Client {
        let (client, old) = state.withLock { state -> (Client, Client?) in
            let known = state.entries[place]?.client
            if let known, addresses.contains(known.address), known.use() {
                state.entries[place] = Entry(client: known, checkedAt: now, usedAt: now)
                return (known, nil)
            }
            let client = Client(place, address: addresses.first ?? "")
            var old = known
            if known == nil, state.entries.count >= Self.capacity {
                let idlest = state.entries.filter(\.value.client.isIdle).min { $0.value.usedAt < $1.value.usedAt }
                if let idlest { old = state.entries.removeValue(forKey: idlest.key)?.client }
            }
            if !state.isOver, known != nil || state.entries.count < Self.capacity {
                state.entries[place] = Entry(client: client, checkedAt: now, usedAt: now)
            } else {
                // It ends with its request.
                client.retire()
            }
            return (client, old)
        }
        old?.retire()
        return client
    }

    /// After an answer: its connection may be used again.
    func release(_ client: Client) { client.leave(hasServed: true) }

    /// After a failure: whoever is next looks the host up again.
    func drop(_ client: Client) {
        let wasKept = state.withLock { state in
            guard state.entries[client.place]?.client === client else { return false }
            state.entries[client.place] = nil
            return true
        }
        if wasKept { client.retire() }
        client.leave(hasServed: false)
    }

    /// What was known of a host is true no more.
    func forget(_ host: String) {
        let gone = state.withLock { state in
            state.entries.keys.filter { $0.host == host }.compactMap { state.entries.removeValue(forKey: $0)?.client }
        }
        for client in gone { client.retire() }
    }

    /// Ends all of them, those that are in use with their requests; none is kept from then on.
    func end() {
        let all = state.withLock { state in
            defer { (state.entries, state.isOver) = ([:], true) }
            return state.entries.values.map(\.client)
        }
        for client in all { client.retire() }
    }
}
