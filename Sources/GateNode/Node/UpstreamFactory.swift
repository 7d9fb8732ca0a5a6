// From settings to the servers behind the gate.

import ClusterState
import Foundation
import Logging
import NIOCore
import NIOPosix

struct UpstreamFactory {
    let settings: Settings
    let group: MultiThreadedEventLoopGroup
    let logger: Logger

    /// What a server may see of the node's surroundings: everything but the gate's own secrets.
    private static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PAYGATE_") }
    }

    func make() throws(StartupFailure) -> UpstreamSet {
        if !settings.servers.isEmpty {
            var upstreams: [any Upstream] = []
            for server in settings.servers {
                upstreams.append(try one(command: server.serverCommand, arguments: server.serverArgs, url: server.remoteUrl, prefix: server.prefix))
            }
            return UpstreamSet(upstreams, transport: "multi-server")
        }
        let upstream = try one(command: settings.serverCommand, arguments: settings.serverArgs, url: settings.remoteUrl, prefix: nil)
        return UpstreamSet([upstream], transport: settings.remoteUrl == nil ? "stdio" : "http")
    }

    private func one(command: String?, arguments: [String], url: String?, prefix: String?) throws(StartupFailure) -> any Upstream {
        if let command {
            var stdio = StdioUpstreamSettings(command: ChildCommand(command, arguments, environment: Self.environment), prefix: prefix)
            stdio.maxResponseBytes = settings.maxResponseBytes > 0 ? settings.maxResponseBytes : 1 << 30
            return StdioUpstream(settings: stdio, eventLoop: group.next(), logger: logger)
        }
        guard let url else {
            throw StartupFailure("No MCP server is given; use --server, --remote-url or servers in a config file.", status: .invalidConfiguration)
        }
        throw StartupFailure("HTTP servers are not built in yet: \(url)", status: .invalidConfiguration)
    }
}
