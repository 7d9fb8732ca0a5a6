// From settings to the servers behind the gate.

import ChildProcesses
import ClusterState
import Foundation
import GateDomain
import GateSettings
import Logging
import MCPUpstream
import NIOCore
import NIOPosix

struct UpstreamFactory {
    let settings: Settings
    let group: MultiThreadedEventLoopGroup
    let logger: Logger
    private let notifications = UpstreamNotifications()

    init(settings: Settings, group: MultiThreadedEventLoopGroup, logger: Logger) {
        self.settings = settings
        self.group = group
        self.logger = logger
    }

    /// What a server may see of the node's surroundings: everything but the gate's own secrets.
    private static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PAYGATE_") }
    }

    func make() throws(StartupFailure) -> UpstreamSet {
        if !settings.servers.isEmpty {
            var upstreams: [any Upstream] = []
            for server in settings.servers {
                upstreams.append(
                    try one(command: server.serverCommand, arguments: server.serverArgs, url: server.remoteUrl, prefix: server.prefix))
            }
            return UpstreamSet(upstreams, transport: "multi-server", notifications: notifications)
        }
        let upstream = try one(command: settings.serverCommand, arguments: settings.serverArgs, url: settings.remoteUrl, prefix: nil)
        return UpstreamSet([upstream], transport: settings.remoteUrl == nil ? "stdio" : "http", notifications: notifications)
    }

    private func one(command: String?, arguments: [String], url: String?, prefix: String?) throws(StartupFailure) -> any Upstream {
        if let command {
            var stdio = StdioUpstreamSettings(command: ChildCommand(command, arguments, environment: Self.environment), prefix: prefix)
            stdio.maxResponseBytes = settings.maxResponseBytes > 0 ? settings.maxResponseBytes : 1 << 30
            return StdioUpstream(settings: stdio, eventLoop: group.next(), logger: logger) { [notifications] message, _ in
                notifications.announce(message)
            }
        }
        guard let url else {
            throw StartupFailure(
                "No MCP server is given; use --server, --remote-url or servers in a config file.", status: .invalidConfiguration)
        }
        var http = try HTTPUpstreamSettings(url: url, prefix: prefix)
        http.maxResponseBytes = settings.maxResponseBytes
        return try HTTPUpstream(settings: http, loops: Array(group.makeIterator()), logger: logger) { [notifications] message, _ in
            notifications.announce(message)
        }
    }
}
