// A node at work, and its orderly end.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Serves until SIGTERM or SIGINT. Then, in this order: `/ready` says 503 until balancers have seen it, new calls are refused,
/// calls under way are finished and settled, the listener closes. Upstreams and the store are ended by the construction, last.
struct NodeLife {
    private let node: Node
    private let construction: NodeConstruction
    private let logger: Logger

    init(_ node: Node, construction: NodeConstruction) {
        self.node = node
        self.construction = construction
        logger = node.logger
    }

    func run() async throws(StartupFailure) {
        do {
            try await serve()
        } catch let failure as StartupFailure {
            throw failure
        } catch let error as IOError where error.errnoCode == EADDRINUSE || error.errnoCode == EACCES {
            let why = error.errnoCode == EACCES ? "may not be listened on" : "is taken"
            throw StartupFailure("Port \(node.settings.port) \(why).", status: .portUnavailable)
        } catch let error as IOError where error.errnoCode == EADDRNOTAVAIL || error.errnoCode == EAFNOSUPPORT {
            throw StartupFailure(
                "This machine has no address \(node.settings.host) to listen on; give another --host.", status: .portUnavailable)
        } catch {
            throw StartupFailure("The node ended: \(error).", status: .internalFault)
        }
    }

    private func serve() async throws {
        let address = try ListeningAddress.of(node.settings.host, port: node.settings.port, logger: logger)
        let log = CallLogSink(level: node.settings.logLevel, format: node.settings.logFormat)
        let headers = ResponseHeaders(node.settings)
        let loops = try await LoopContexts(node.gateParts, loops: construction.loops, headers: headers, log: log)
        node.sessions.onChange { mint in loops.forEach { $0.sessions.adopt(mint) } }
        node.ruleBook.onAdoption { snapshot in loops.forEach { $0.adopt(snapshot) } }
        // What was adopted while the contexts were made.
        loops.forEach { [node] loop in loop.adopt(node.ruleBook.snapshot) }
        let upkeep = SessionUpkeep(node, loops: loops)
        let refresher = Refresher(node: node, upkeep: upkeep, on: construction.loops[0])
        node.switches.onOldRules { refresher.request(.rules) }
        let feed = try await ChangeFeed(
            connector: node.store.connector, keys: node.store.keys, on: construction.loops[0], logger: logger
        ) { change in
            loops.apply(change)
            switch change {
            case .record(.session, let id): upkeep.end(id)
            case .record(.subscription, let id): upkeep.check(id)
            case .record(.key, let id): if node.subscriptions.holds(key: id) { refresher.request(.sessions) }
            case .record(.switch, _): refresher.request(.maintenance)
            case .record(.rules, _): refresher.request(.rules)
            case .everything:
                refresher.request(.secret)
                refresher.request(.maintenance)
                refresher.request(.rules)
                refresher.request(.sessions)
            default: break
            }
        }
        feed.start()
        let news = ServerNews(subscriptions: node.subscriptions, upstreams: node.upstreams, loops: loops, refresher: refresher)
        node.upstreams.notifications.listen { news.hear($0) }
        // A server that came before anybody listened.
        if node.upstreams.tools.isEmpty { refresher.request(.tools) }
        let figures = MetricsCollector(node: node, loops: loops, feed: feed)
        let router = GateRouter(.standard, on: node.adminParts, figures: { await figures.collect() })
        let listener = Listener(
            address: address, group: construction.group,
            child: GateChildChannel(responder: Listener.answers(of: router, logger: NodeLog.quiet(logger)), loops: loops),
            logger: NodeLog.quiet(logger), onListening: { channel in announce(channel) })
        let services: [any Service] = [
            Heartbeat(members: node.members), refresher,
            RollupService(
                rollups: node.rollups, book: node.rollupBook, orders: node.keys.orders, node: node.id, clock: node.clock,
                upstreams: node.upstreams, logger: logger),
            DueWork(name: "reservations and transfers", clock: node.clock, logger: logger) {
                [transfers = Transfers(store: node.store)] now in
                try await transfers.seeToDue(at: now)
            },
            DueWork(name: "schedules of keys", clock: node.clock, logger: logger) { [schedules = Schedules(node.keys)] now in
                try await schedules.seeToDue(at: now)
            },
            DueWork(name: "expiries of keys", clock: node.clock, logger: logger) { [expiries = Expiries(node.keys)] now in
                while try await expiries.tell(at: now), !Task.isCancelled {}
            },
            DueWork(name: "warnings of expiries", clock: node.clock, logger: logger) { [warnings = node.expiryWarnings] now in
                try await warnings?.lookIfDue(at: now)
            },
            DueWork(name: "tasks of servers", clock: node.clock, logger: logger) {
                [watch = TaskWatch(node, on: construction.loops[0])] now in
                try await watch.seeToDue(at: now)
            },
            DueWork(name: "warnings of isolation", clock: node.clock, logger: logger) { [warning = IsolationWarning(node)] _ in
                warning.look()
            },
            DueWork(name: "what nodes that are gone have held", clock: node.clock, logger: logger) {
                [inheritance = Inheritance(node, upkeep: upkeep, loops: loops)] now in
                try await inheritance.look(at: now)
            },
            WebhookService(webhooks: node.webhooks, node: node.id, logger: logger),
            NameSuccession(store: node.store, members: node.members, loops: loops),
            StoreFollower(store: node.store, feed: feed, identity: node.identity, logger: logger),
            listener,
            AuditFeedService(feed: node.auditFeed),
            Drain(node: node, loops: loops),
        ]
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint], logger: NodeLog.quiet(logger)))
        let outcome = await Result { try await group.run() }
        await feed.stop()
        await loops.flushLogs()
        log.drain()
        logger.info("stopped")
        try outcome.get()
    }

    private func announce(_ channel: any Channel) {
        let port = channel.localAddress?.port ?? node.settings.port
        StandardStream.output("Listening on port \(port)")
        if let announcement = construction.announcement { StandardStream.output(announcement) }
        logger.info("serving", metadata: ["node": "\(node.id)", "port": "\(port)", "upstream": "\(node.upstreams.transport)"])
        if node.ruleBook.settings.shadowMode { logger.warning("shadow mode is on: nothing is denied or charged") }
    }
}

/// Beats until the end, then says goodbye so that nobody takes this node for dead.
private struct Heartbeat: Service {
    let members: Membership

    func run() async throws {
        await cancelWhenGracefulShutdown { await members.run() }
        await members.leave()
    }
}

/// The first to hear of the stop and the last that lets it go on.
private struct Drain: Service {
    let node: Node
    let loops: LoopContexts

    /// How long a balancer that watches `/ready` is given to notice.
    private static let notice = Duration.milliseconds(2500)
    /// How long leaving answers in the store may take where calls have used up the time.
    private static let leaving = TimeAmount.seconds(2)

    func run() async throws {
        try await gracefulShutdown()
        node.logger.info("stopping", metadata: ["inFlight": "\(node.switches.inFlight)"])
        node.switches.isLeaving = true
        if node.switches.isWatched { try? await Task.sleep(for: Self.notice) }
        let start = NIODeadline.now(), limit = TimeAmount.seconds(Int64(node.settings.drainSeconds))
        node.switches.drain(until: start + limit)
        while NIODeadline.now() < start + limit {
            // Half of the time is for clients that are asked something just now.
            if NIODeadline.now() > start + .nanoseconds(limit.nanoseconds / 2) { loops.endRounds() }
            if node.switches.inFlight == 0, await loops.isSettled { break }
            try? await Task.sleep(for: .milliseconds(20))
        }
        await loops.leaveStreams(until: max(start + limit, NIODeadline.now() + Self.leaving))
        loops.quiesce()
    }
}

extension Result where Success == Void, Failure == any Error {
    fileprivate init(_ body: () async throws -> Void) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}

/// Says once what `--isolation session` does not do where there are several nodes.
private final class IsolationWarning: Sendable {
    private let node: Node
    private let isSaid = Atomic<Bool>(false)

    init(_ node: Node) { self.node = node }

    func look() {
        guard node.settings.isolation == .session, node.members.members > 1, !isSaid.exchange(true, ordering: .relaxed) else { return }
        node.logger.warning(
            "--isolation session gives a session a server of its own on each node; have the balancer keep a session at one node, by Mcp-Session-Id (docs/mcp.md)",
            metadata: ["nodes": "\(node.members.members)"])
    }
}
