// Posts events to sinks: to addresses that are allowed and to no other, without following anybody, and never for long.

import AsyncHTTPClient
import ClusterState
import Crypto
import Foundation
import GateDomain
import GateValues
import NIOCore
import NIOHTTP1
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a sink has answered, or why it could not be asked.
struct WebhookAnswer: Sendable {
    /// 0 without an answer.
    var status = 0
    /// Nil for success.
    var error: String?
    var milliseconds = 0

    /// 2xx and nothing else.
    var isSuccess: Bool { (200..<300).contains(status) }
}

/// Sends requests over connections of their own threads, so that no sink holds up a call.
///
/// Invariant: of a host that is looked up every address is checked, and connections are made to one of those, for as long as the look-up
/// holds (`WebhookConnections`); a connection looks no name up, so that what was checked is what is reached (F-WH-16).
struct WebhookSender: Sendable {
    let rule: WebhookAddressRule
    /// Those that are kept open between attempts.
    let connections = WebhookConnections()

    /// For a whole attempt but its look-up (F-WH-17).
    private static let limit = Duration.seconds(10)
    /// For an answer that goes on after its head; bytes of it that are read.
    private static let rest = (time: Duration.seconds(1), bytes: 16_384)
    /// How long a look-up is waited for.
    private static let lookUpLimit = Duration.seconds(5)
    /// Look-ups block a thread each, for as long as the system's resolver takes. Whoever has a key's sink cannot hold up those of the gate.
    private static let resolvers: [WebhookSinkKind: NIOThreadPool] = [.gate: pool(), .key: pool()]

    private static func pool() -> NIOThreadPool {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }

    /// Looks a host up and checks what it stands for. - Returns: every address that it has, at least one.
    /// - Throws: why nothing may be sent there.
    func addresses(of url: WebhookURL, for kind: WebhookSinkKind) async throws(WebhookFault) -> [String] {
        let addresses = try await Self.addresses(of: url.host, for: kind)
        for text in addresses {
            guard let address = IPAddress(text), rule.allows(address) else {
                // Nor over a connection that is still open.
                connections.forget(url.host)
                throw .forbidden
            }
        }
        if addresses.isEmpty { throw .unknownHost }
        return addresses
    }

    /// Whether a URL may be set: a host that is not known yet may be.
    /// - Throws: `forbidden`.
    func check(_ url: WebhookURL, for kind: WebhookSinkKind) async throws(WebhookFault) {
        do throws(WebhookFault) { _ = try await addresses(of: url, for: kind) } catch {
            if case .forbidden = error { throw error }
        }
    }

    /// Makes one attempt.
    /// - Parameters:
    ///   - kind: whose sink it is.
    ///   - time: seconds since 1970, as the signature says them.
    ///   - headers: further ones.
    func post(
        _ body: [UInt8], to url: WebhookURL, of kind: WebhookSinkKind = .gate, secret: String?, at time: Int,
        headers: [(String, String)] = []
    ) async -> WebhookAnswer {
        let start = ContinuousClock.now
        var answer = WebhookAnswer()
        do {
            var request = HTTPClientRequest(url: url.request)
            request.method = .POST
            request.headers = HTTPHeaders(
                [("Content-Type", "application/json"), ("User-Agent", "gate-node/\(ProductVersion.current)"), ("Accept", "*/*")] + headers)
            if let authorization = url.authorization { request.headers.add(name: "Authorization", value: authorization) }
            if let secret { request.headers.add(name: "X-PayGate-Signature", value: Self.signature(of: body, at: time, secret: secret)) }
            request.body = .bytes(ByteBuffer(bytes: body))
            answer.status = try await send(request, to: url, of: kind)
            if !answer.isSuccess { answer.error = "HTTP status \(answer.status)" }
        } catch {
            answer.error = Self.sentence(of: error)
        }
        answer.milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        return answer
    }

    /// `t=<seconds>,v1=<hex>`: HMAC-SHA256 of the seconds, a dot and the body (F-WH-04).
    static func signature(of body: [UInt8], at time: Int, secret: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Array("\(time).".utf8) + body, using: SymmetricKey(data: Array(secret.utf8)))
        return "t=\(time),v1=\(Hex.string(code))"
    }

    /// - Throws: why there is no answer.
    private func send(_ request: HTTPClientRequest, to url: WebhookURL, of kind: WebhookSinkKind) async throws -> Int {
        let client = try await client(for: url, of: kind)
        let (start, mayBeOld) = (ContinuousClock.now, client.hasServed)
        do { return try await exchange(request, over: client, within: Self.limit) } catch {
            guard mayBeOld, Self.isBroken(error), !Task.isCancelled else { throw error }
        }
        // The sink may have closed the connection just when it was used again. That is no failure of the sink: events have ids, and are sent
        // once more over a new one; the sink may have seen them, so it is told.
        var again = request
        if again.headers["X-PayGate-Retry"].isEmpty { again.headers.add(name: "X-PayGate-Retry", value: "1") }
        let left = Self.limit - (ContinuousClock.now - start)
        return try await exchange(again, over: try await self.client(for: url, of: kind), within: left)
    }

    private func client(for url: WebhookURL, of kind: WebhookSinkKind) async throws(WebhookFault) -> WebhookConnections.Client {
        if let client = connections.client(of: url.place) { return client }
        return connections.client(of: url.place, checked: try await addresses(of: url, for: kind))
    }

    /// Sends a request over a client, and lets go of that. - Returns: the status of the answer.
    private func exchange(
        _ request: HTTPClientRequest, over client: WebhookConnections.Client, within limit: Duration
    ) async throws -> Int {
        do {
            let status = try await within(limit) {
                let response = try await client.execute(request, within: .seconds(10))
                // The answer is the status; what follows is read only so that its connection can be used again.
                _ = try? await within(Self.rest.time) { try await response.body.collect(upTo: Self.rest.bytes) }
                return Int(response.status.code)
            }
            connections.release(client)
            return status
        } catch {
            connections.drop(client)
            throw error
        }
    }

    /// Whether the other side may have closed a connection before it has seen the request.
    private static func isBroken(_ error: any Error) -> Bool {
        (error as? HTTPClientError) == .remoteConnectionClosed || error is IOError || error is ChannelError
    }

    /// Every address of a host, as text; numbers stand for themselves, in whatever form a resolver reads them.
    private static func addresses(of host: String, for kind: WebhookSinkKind) async throws(WebhookFault) -> [String] {
        if let address = IPAddress(host) { return [address.description] }
        // The resolver cannot be stopped: its thread ends when it does, and nobody waits for it.
        let (answers, answer) = AsyncStream.makeStream(of: [String].self, bufferingPolicy: .bufferingNewest(1))
        resolvers[kind]?.submit { state in
            answer.yield(state == .active ? lookUp(host) : [])
            answer.finish()
        }
        let found = try? await within(lookUpLimit) { await answers.first { _ in true } ?? [] }
        guard let found else { throw .unknownHost }
        return found
    }

    private static func lookUp(_ host: String) -> [String] {
        var hints = addrinfo()
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: [String] = []
        var next = list
        while let entry = next, addresses.count < 64 {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                addresses.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }

    /// Says what has happened in words of ours: a sink must not write into our log.
    private static func sentence(of error: any Error) -> String {
        switch error {
        case let fault as WebhookFault: fault.sentence
        case is WebhookTimeout: "no answer within 10 s"
        case let error as HTTPClientError where error == .connectTimeout || error == .deadlineExceeded || error == .readTimeout:
            "no answer in time"
        case is CancellationError: "cut short"
        case is HTTPClientError: "the connection broke"
        default: "no connection"
        }
    }
}

/// Why nothing may be sent, or cannot be.
enum WebhookFault: Error, Sendable {
    case forbidden
    case unknownHost

    var sentence: String {
        switch self {
        case .forbidden: "a private, local or reserved address, which webhooks may not reach"
        case .unknownHost: "the host has no address"
        }
    }
}

private struct WebhookTimeout: Error {}

/// The work's value, or its end after a limit; what is cancelled ends by itself.
private func within<Value: Sendable>(_ limit: Duration, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(for: limit)
            throw WebhookTimeout()
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
