// One gate as its clients and operators see it: HTTP and nothing else.

import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Speaks to one address. Nothing is retried, so that every request is sent at most once.
package struct GateClient: Sendable {
    /// Fields of a request in their order; a name may come twice.
    package typealias Headers = [(key: String, value: String)]

    package static let adminKey = "admin-key-of-the-tests"

    package let address: String

    package init(_ address: String) {
        self.address = address
    }

    private static let http: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 512
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// - Throws: When no whole answer came within the limit: its head, or its last byte.
    package func send(
        _ method: String, _ path: String, headers: Headers = [], body: [UInt8]? = nil, within limit: Duration = .seconds(60)
    ) async throws -> GateResponse {
        var request = HTTPClientRequest(url: address + path)
        request.method = HTTPMethod(rawValue: method)
        request.headers = HTTPHeaders(headers.map { ($0.key, $0.value) })
        if let body {
            request.body = .bytes(body)
        }
        let start = ContinuousClock.now
        return try await within(limit, "\(method) \(path)") { [request] in
            let response = try await Self.http.execute(request, timeout: TimeAmount(limit))
            let received = try await response.body.collect(upTo: 64 << 20)
            return GateResponse(
                status: Int(response.status.code), headers: response.headers, body: Array(received.readableBytesView),
                elapsed: ContinuousClock.now - start)
        }
    }

    package func get(_ path: String, headers: Headers = []) async throws -> GateResponse {
        try await send("GET", path, headers: headers)
    }
}
