// From settings to the servers behind the gate.

import ChildProcesses
import ClusterState
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

    /// Only a command that cannot be launched as it is written ends the start: a server that is away may come.
    func checkCommands() throws(StartupFailure) {
        let commands = settings.servers.compactMap { server in server.serverCommand.map { command($0, server.serverArgs) } }
        for command in commands + (settings.serverCommand.map { [command($0, settings.serverArgs)] } ?? []) {
            do {
                try command.check()
            } catch {
                throw StartupFailure(error.sentence, status: .backendUnavailable)
            }
        }
    }

    private func command(_ executable: String, _ arguments: [String], environment: [String] = []) -> ChildCommand {
        var command = ChildCommand(executable, arguments, environment: ServerEnvironment.of(settings, own: environment))
        command.user = settings.serverUser
        // This very program, also when its file has been replaced meanwhile.
        command.guardian = "/proc/self/exe"
        return command
    }

    func make() throws(StartupFailure) -> UpstreamSet {
        if !settings.servers.isEmpty {
            var upstreams: [any Upstream] = []
            for server in settings.servers {
                upstreams.append(
                    try one(
                        command: server.serverCommand, arguments: server.serverArgs, environment: server.serverEnv, url: server.remoteUrl,
                        prefix: server.prefix))
            }
            return UpstreamSet(upstreams, transport: "multi-server", notifications: notifications)
        }
        let upstream = try one(command: settings.serverCommand, arguments: settings.serverArgs, url: settings.remoteUrl, prefix: nil)
        return UpstreamSet([upstream], transport: settings.remoteUrl == nil ? "stdio" : "http", notifications: notifications)
    }

    private func one(
        command: String?, arguments: [String], environment: [String] = [], url: String?, prefix: String?
    ) throws(StartupFailure) -> any Upstream {
        if let command {
            var stdio = StdioUpstreamSettings(command: self.command(command, arguments, environment: environment), prefix: prefix)
            // Nobody waits for a node that only prints prices to be ready.
            if settings.dryRun { stdio.startLimit = stdio.handshakeLimit + .seconds(1) }
            stdio.maxResponseBytes = settings.maxResponseBytes > 0 ? settings.maxResponseBytes : 1 << 30
            return StdioUpstream(settings: stdio, eventLoop: group.next(), logger: logger) { [notifications] message, reply in
                notifications.announce(message, reply)
            } onArrival: { [notifications] in
                notifications.announce(.arrived)
            }
        }
        guard let url else {
            throw StartupFailure(
                "No MCP server is given; use --server, --remote-url or servers in a config file.", status: .invalidConfiguration)
        }
        var http = try HTTPUpstreamSettings(url: url, prefix: prefix)
        http.maxResponseBytes = settings.maxResponseBytes
        return try HTTPUpstream(settings: http, loops: Array(group.makeIterator()), logger: logger) { [notifications] message, reply in
            notifications.announce(message, reply)
        } onArrival: { [notifications] in
            notifications.announce(.arrived)
        }
    }
}
