// Opens the wire to an HTTP server: name, TCP, TLS, and nothing else.

import GateDomain
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// How connections to one server are made; its certificate context is built once.
struct HTTPUpstreamConnector: Sendable {
    private let address: HTTPUpstreamAddress
    private let timeout: TimeAmount
    private let tls: NIOSSLContext?

    var usesTLS: Bool { tls != nil }

    /// - Throws: if the certificates to trust cannot be read.
    init(_ settings: HTTPUpstreamSettings) throws(StartupFailure) {
        address = settings.address
        timeout = settings.connectTimeout
        guard address.usesTLS else {
            tls = nil
            return
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.applicationProtocols = ["http/1.1"]
        if let path = settings.additionalTrustRoots { configuration.additionalTrustRoots = [.file(path)] }
        do {
            tls = try NIOSSLContext(configuration: configuration)
        } catch {
            throw StartupFailure("TLS to the MCP server cannot be set up: \(error)", status: .invalidConfiguration)
        }
    }

    /// - Parameter handler: makes the last handler of a channel; of several channels that are tried at once, one is used.
    func connect(
        on loop: any EventLoop, handler: @escaping @Sendable () -> HTTPUpstreamConnection
    ) -> EventLoopFuture<any Channel> {
        let (tls, name) = (tls, address.serverName)
        return ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            // So that the server's end can be looked at before the connection is gone. TLS has an end of its own.
            .channelOption(.allowRemoteHalfClosure, value: tls == nil)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: name)) }
                    try pipeline.addHandler(handler())
                }
            }
            .connect(host: address.host, port: address.port)
    }

    /// Only asks whether somebody listens.
    func probe(on loop: any EventLoop) -> EventLoopFuture<Void> {
        ClientBootstrap(group: loop).connectTimeout(timeout).connect(host: address.host, port: address.port)
            .flatMap { $0.close() }
    }

    /// Why there is no connection, as the end of a sentence.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.last.map { reason($0.error) } ?? "its host name cannot be resolved"
        case let error as IOError: reason(errno: error.errnoCode)
        case ChannelError.connectTimeout: "it takes no connection in time"
        case let error as NIOSSLError: "the TLS handshake failed (\(error))"
        default: "\(error)"
        }
    }

    private static func reason(errno code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "connection refused"
        case ENETUNREACH, EHOSTUNREACH: "no route to it"
        case ECONNRESET, EPIPE: "it closes new connections"
        case EMFILE, ENFILE: "too many open files"
        default: "error \(code) of the operating system"
        }
    }
}
