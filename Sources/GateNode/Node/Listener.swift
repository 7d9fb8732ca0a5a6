// The node's listener: an address bound as it was given, and connections handed to their event loops.

import ClusterState
import GateDomain
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOHTTPTypes
import NIOPosix
import ServiceLifecycle

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Accepts connections until the node stops, and ends when the last of them has ended.
///
/// Hummingbird's own server has every address resolved, which refuses `::` where only the loopback has an IPv6 address.
struct Listener: Service {
    let address: SocketAddress
    let group: MultiThreadedEventLoopGroup
    let child: GateChildChannel
    let logger: Logger
    /// Told once, when connections are accepted.
    let onListening: @Sendable (any Channel) -> Void

    func run() async throws {
        let quiescing = ServerQuiescingHelper(group: group)
        let (child, logger) = (child, logger)
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(ChannelOptions.backlog, value: 4096)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .bind(to: address, serverBackPressureStrategy: nil) { channel in child.setup(channel: channel, logger: logger) }
        await withGracefulShutdownHandler {
            onListening(server.channel)
            await withDiscardingTaskGroup { connections in
                do {
                    try await server.executeThenClose { inbound in
                        for try await connection in inbound {
                            connections.addTask { await child.handle(value: connection, logger: logger) }
                        }
                    }
                } catch {
                    logger.error("the listener has ended", metadata: ["error": "\(error)"])
                }
            }
        } onGracefulShutdown: {
            quiescing.initiateShutdown(promise: nil)
        }
    }

    /// Answers what the front handler leaves to the router.
    static func answers(of router: GateRouter, logger: Logger) -> HTTPChannelHandler.Responder {
        { request, writer, channel in
            let context = GateRequestContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            var response = try await router.respond(to: request, context: context)
            response.headers[.date] = HTTPDate.text(seconds: WallClock.milliseconds / 1000)
            try await writer.write(response: response.head, body: response.body)
        }
    }
}

/// What a host and a port are as an address.
enum ListeningAddress {
    /// A numeric address as it stands, never resolved; a name as the system resolves it. `::` takes IPv4 too, and is IPv4 alone where there
    /// is no IPv6.
    /// - Throws: where a name has no address.
    static func of(_ host: String, port: Int, logger: Logger) throws(StartupFailure) -> SocketAddress {
        var host = host
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host == "::", !isIPv6Available {
            logger.notice("there is no IPv6 here; the node listens on IPv4 alone", metadata: ["host": "0.0.0.0"])
            host = "0.0.0.0"
        }
        do {
            return try (try? SocketAddress(ipAddress: host, port: port)) ?? SocketAddress.makeAddressResolvingHost(host, port: port)
        } catch {
            throw StartupFailure("The host \(host) has no address to listen on; give one with --host.", status: .portUnavailable)
        }
    }

    /// Whether a socket can be bound to `::`; some containers and kernels have none.
    private static var isIPv6Available: Bool {
        #if canImport(Glibc)
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_INET6, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        guard let any = try? SocketAddress(ipAddress: "::", port: 0) else { return false }
        return any.withSockAddr { bind(descriptor, $0, socklen_t($1)) } == 0
    }
}

/// Times as the header `Date` has them (RFC 9110, section 5.6.7).
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// - Parameter seconds: since 1970.
    static func text(seconds: Int) -> String {
        let (day, rest) = seconds.quotientAndFloorRemainder(86_400)
        let date = CivilDate(day: day)
        let time = [rest / 3600, rest / 60 % 60, rest % 60].map(twoDigits).joined(separator: ":")
        return
            "\(days[day.quotientAndFloorRemainder(7).remainder]), \(twoDigits(date.day)) \(months[date.month - 1]) \(date.year) \(time) GMT"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
