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
    private let lent: LentSessions
    private let notifications = UpstreamNotifications()

    /// - Parameter lent: hears of the sessions that servers over HTTP give the gate.
    init(settings: Settings, group: MultiThreadedEventLoopGroup, lent: LentSessions, logger: Logger) {
        self.settings = settings
        self.lent = lent
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

    /// Clients are told of tools by the gate, which then has to know more of them than their names.
    private var keepsLists: Bool { settings.discoveryMode == .dynamic }

    func make() throws(StartupFailure) -> UpstreamSet {
        if !settings.servers.isEmpty {
            var upstreams: [any Upstream] = []
            for (index, server) in settings.servers.enumerated() {
                upstreams.append(
                    try one(
                        command: server.serverCommand, arguments: server.serverArgs, environment: server.serverEnv, url: server.remoteUrl,
                        prefix: server.prefix, index: index))
            }
            return UpstreamSet(
                upstreams, transport: "multi-server", separator: settings.toolSeparator, keepsLists: keepsLists,
                notifications: notifications)
        }
        let upstream = try one(
            command: settings.serverCommand, arguments: settings.serverArgs, url: settings.remoteUrl, prefix: nil, index: 0)
        return UpstreamSet(
            [upstream], transport: settings.remoteUrl == nil ? "stdio" : "http", keepsLists: keepsLists, notifications: notifications)
    }

    /// Processes, and sessions over HTTP, that one server has on this node for single clients.
    private static let (mostProcesses, mostSessions) = (32, 256)

    /// - Parameter index: its place among the servers.
    private func one(
        command: String?, arguments: [String], environment: [String] = [], url: String?, prefix: String?, index: Int
    ) throws(StartupFailure) -> any Upstream {
        if let command {
            var stdio = StdioUpstreamSettings(command: self.command(command, arguments, environment: environment), prefix: prefix)
            // Nobody waits for a node that only prints prices to be ready.
            if settings.dryRun { stdio.startLimit = stdio.handshakeLimit + .seconds(1) }
            stdio.probes = true
            stdio.maxResponseBytes = settings.maxResponseBytes > 0 ? settings.maxResponseBytes : 1 << 30
            let numbers = RequestNumbers()
            return family(of: shared(stdio, numbers, index), most: Self.mostProcesses, namesRequests: false) { [self, stdio] in
                own(stdio, numbers, index, for: $0)
            }
        }
        guard let url else {
            throw StartupFailure(
                "No MCP server is given; use --server, --remote-url or servers in a config file.", status: .invalidConfiguration)
        }
        var http = try HTTPUpstreamSettings(url: url, prefix: prefix)
        http.maxResponseBytes = settings.maxResponseBytes
        http.listens = true
        http.probes = true
        let numbers = RequestNumbers()
        let shared = try shared(http, numbers, index)
        return family(of: shared, most: Self.mostSessions, namesRequests: true) { [self, http] in
            own(http, numbers, index, beside: shared, for: $0)
        }
    }

    /// A server with a place for single clients, where there is to be one.
    private func family(
        of shared: any Upstream, most: Int, namesRequests: Bool, _ make: @escaping @Sendable (UpstreamClient) -> (any Upstream)?
    ) -> any Upstream {
        guard settings.isolation != .shared else { return shared }
        let family = UpstreamFamily(
            shared: shared, most: most, fallsBack: settings.isolation == .auto, namesRequests: namesRequests, make: make)
        group.next().scheduleRepeatedTask(initialDelay: .seconds(10), delay: .seconds(10)) { [weak family] task in
            if let family { family.sweep() } else { task.cancel() }
        }
        return family
    }

    private func shared(_ stdio: StdioUpstreamSettings, _ numbers: RequestNumbers, _ index: Int) -> StdioUpstream {
        StdioUpstream(settings: stdio, eventLoop: group.next(), logger: logger, numbers: numbers) { [notifications] message, reply in
            notifications.announce(message, reply, of: index)
        } onArrival: { [notifications] in
            notifications.announce(.arrived(server: index))
        }
    }

    private func own(_ stdio: StdioUpstreamSettings, _ numbers: RequestNumbers, _ index: Int, for client: UpstreamClient) -> StdioUpstream {
        var stdio = stdio
        stdio.client = client
        // Its first requests have waited for the start of a process once already.
        (stdio.startLimit, stdio.longestWait) = (stdio.handshakeLimit, stdio.handshakeLimit)
        return StdioUpstream(settings: stdio, eventLoop: group.next(), logger: logger, numbers: numbers) { [notifications] message, _ in
            notifications.announce(.said(Array(message.readableBytesView), client: client, server: index))
        } onQuestion: { [notifications] in
            notifications.announce(.asked($0, session: client.session))
        } onArrival: { [notifications] in
            notifications.announce(.joined(client, server: index))
        }
    }

    private func shared(_ http: HTTPUpstreamSettings, _ numbers: RequestNumbers, _ index: Int) throws(StartupFailure) -> HTTPUpstream {
        try HTTPUpstream(settings: http, loops: Array(group.makeIterator()), logger: logger, numbers: numbers) {
            [notifications] message, reply in
            notifications.announce(message, reply, of: index)
        } onArrival: { [notifications] in
            notifications.announce(.arrived(server: index))
        } onSession: { [lent] in
            lent.note($0, $1)
        }
    }

    private func own(
        _ http: HTTPUpstreamSettings, _ numbers: RequestNumbers, _ index: Int, beside shared: HTTPUpstream, for client: UpstreamClient
    ) -> HTTPUpstream? {
        var http = http
        http.client = client
        return try? HTTPUpstream(
            settings: http, loops: Array(group.makeIterator()), logger: logger, numbers: numbers, sharing: shared
        ) { [notifications] message, _ in
            notifications.announce(.said(Array(message.readableBytesView), client: client, server: index))
        } onQuestion: { [notifications] in
            notifications.announce(.asked($0, session: client.session))
        } onArrival: { [notifications] in
            notifications.announce(.joined(client, server: index))
        } onSession: { [lent] in
            lent.note($0, $1)
        }
    }
}
