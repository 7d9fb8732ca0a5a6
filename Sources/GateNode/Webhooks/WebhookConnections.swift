// Connections to sinks that are kept open: one client for each host, bound to the one address that was checked.

import AsyncHTTPClient
import NIOCore
import NIOPosix
import Synchronization

/// The clients of a node's webhooks, by host.
///
/// Invariant: a client connects to the address that it was made for and to no other, whatever its host's name has come to mean. What was
/// looked up holds for `life`; then, and after a connection that failed, the host is looked up and checked again (F-WH-16). A client that is
/// there no more ends when nobody uses it any more.
final class WebhookConnections: Sendable {
    /// Hosts whose connections are kept; more than sinks can be served at once. One above it has a client for one request.
    static let capacity = 512
    /// How long a look-up holds.
    static let life = Duration.seconds(30)
    /// How long a connection stays open that nobody uses.
    private static let idle = TimeAmount.seconds(30)
    /// For a connection to be made (F-WH-17).
    private static let connectLimit = TimeAmount.seconds(5)

    /// A client with what is known of it. Whoever gets one lets it go with `release`.
    final class Client: Sendable {
        let host: String
        let address: String
        fileprivate let http: HTTPClient
        private struct State {
            var users = 1
            var isRetired = false
            var hasServed = false
        }
        private let state = Mutex(State())

        fileprivate init(host: String, address: String) {
            (self.host, self.address) = (host, address)
            var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
            configuration.timeout.connect = WebhookConnections.connectLimit
            configuration.httpVersion = .http1Only
            configuration.connectionPool.idleTimeout = WebhookConnections.idle
            // Sinks of one host do not wait for one another.
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = WebhookConnections.capacity
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.dnsOverride = [host: address]
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
        var entries: [String: Entry] = [:]
        var isOver = false
    }

    private let state = Mutex(State())

    deinit { end() }

    /// Hosts whose connections are kept at this moment.
    var count: Int { state.withLock { $0.entries.count } }

    /// The client of a host whose look-up still holds; nil where it has to be looked up.
    func client(of host: String, now: ContinuousClock.Instant = .now) -> Client? {
        state.withLock { state in
            guard let entry = state.entries[host], now - entry.checkedAt < Self.life, entry.client.use() else { return nil }
            state.entries[host]?.usedAt = now
            return entry.client
        }
    }

    /// A client of a host that was looked up and checked just now: the one that there is, if its address is still among those that were
    /// found, else a new one for the first of them.
    /// - Parameter addresses: all that the host has, at least one.
    func client(of host: String, checked addresses: [String], now: ContinuousClock.Instant = .now) -> Client {
        let (client, old) = state.withLock { state -> (Client, Client?) in
            let known = state.entries[host]?.client
            if let known, addresses.contains(known.address), known.use() {
                state.entries[host] = Entry(client: known, checkedAt: now, usedAt: now)
                return (known, nil)
            }
            let client = Client(host: host, address: addresses.first ?? "")
            var old = known
            if known == nil, state.entries.count >= Self.capacity {
                let idlest = state.entries.filter(\.value.client.isIdle).min { $0.value.usedAt < $1.value.usedAt }
                if let idlest { old = state.entries.removeValue(forKey: idlest.key)?.client }
            }
            if !state.isOver, known != nil || state.entries.count < Self.capacity {
                state.entries[host] = Entry(client: client, checkedAt: now, usedAt: now)
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
            guard state.entries[client.host]?.client === client else { return false }
            state.entries[client.host] = nil
            return true
        }
        if wasKept { client.retire() }
        client.leave(hasServed: false)
    }

    /// What was known of a host is true no more.
    func forget(_ host: String) {
        state.withLock { $0.entries.removeValue(forKey: host) }?.client.retire()
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
