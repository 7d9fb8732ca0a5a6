// The servers of a Redis Cluster and their slots, followed for as long as the node lives.

package import GateDomain
package import Logging
package import NIOCore
import Synchronization

/// Asks the servers every second, and at once whenever something speaks against what is known; every event loop hears of a new map.
///
/// The servers that the URL names are asked until one has answered, and again when none of those that are known answers.
package final class ClusterWatch: Sendable {
    typealias Place = SlotMap.Place

    private struct Server {
        var conversation: RedisConversation?
        var isAsked = false
        /// Whether it has answered the last question; nil until it has been asked.
        var answers: Bool?
        /// What it said then of whom it follows; nil where it may not be asked.
        var replication: ReplicationFacts?
    }

    private struct State {
        var election = SlotElection()
        var servers: [Place: Server] = [:]
        var listeners: [@Sendable () -> Void] = []
        var heardAt: NIODeadline?
        /// Where the next round begins.
        var turn = 0
        var task: Task<Void, Never>?
        var timer: RepeatedTask?
        var isStopped = false

        /// The two are not asked at one moment, so a replica that is in step may seem to lack a little.
        func following(_ replica: Place, _ primary: Place?) -> Following? {
            guard let own = servers[replica]?.replication else { return nil }
            let behind = primary.flatMap { servers[$0]?.replication }.map { max(0, $0.offset - own.offset) } ?? 0
            return Following(isLinked: own.isLinked, seconds: own.silence, bytes: behind)
        }
    }

    /// The servers that the URL names.
    let seeds: [Place]
    private let connector: RedisConnector
    private let loop: any EventLoop
    private let logger: Logger
    private let state = Mutex(State())
    private let bell: AsyncStream<Void>.Continuation
    private let rings: AsyncStream<Void>

    private static let interval = TimeAmount.seconds(1)
    private static let patience = TimeAmount.seconds(1)
    /// Between two rounds.
    private static let pause = Duration.milliseconds(50)
    /// Servers that one round asks.
    private static let breadth = 8
    /// After that time without an answer from any server the ones of the URL are asked too.
    private static let forlorn = TimeAmount.seconds(2)

    /// - Parameters:
    ///   - seeds: servers that the URL names, 1 to 64.
    ///   - connector: how one is let in; its address does not count.
    package init(seeds: [RedisURL.Server], connector: RedisConnector, on loop: any EventLoop, logger: Logger) {
        (self.seeds, self.connector, self.loop, self.logger) = (seeds, connector, loop, logger)
        (rings, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Begins to ask, until `stop`.
    package func start() {
        // Owned by this watch: `stop` cancels it.
        let task = Task { await self.run() }
        let timer = loop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.interval) { [weak self] _ in self?.doubt() }
        state.withLock { ($0.task, $0.timer) = (task, timer) }
    }

    /// Ends all that it has opened; connections for commands are their owners'.
    package func stop() {
        let (task, timer, open) = state.withLock { state in
            state.isStopped = true
            state.listeners = []
            return (state.task, state.timer, state.servers.values.compactMap(\.conversation))
        }
        timer?.cancel()
        bell.finish()
        task?.cancel()
        for conversation in open { conversation.close() }
    }

    /// Asks now; whoever is being asked, in the next round.
    package func doubt() { bell.yield() }

    /// Whether some server has said who has which slots.
    package var isKnown: Bool { map.isKnown }
    /// Times that a replica has taken the place of its primary.
    package var promotions: Int { state.withLock { $0.election.promotions } }

    var map: SlotMap { state.withLock { $0.election.map } }

    /// The map as it is, and every later one to `listener`, from any thread.
    func follow(_ listener: @escaping @Sendable () -> Void) -> SlotMap {
        state.withLock { state in
            if !state.isStopped { state.listeners.append(listener) }
            return state.election.map
        }
    }

    /// A server as it is known.
    struct Standing: Sendable {
        let place: Place
        let isPrimary: Bool
        /// Whether it has answered its last question.
        let isReachable: Bool
        /// Of a replica; nil where it or its primary has not said.
        var following: Following?
    }

    /// Every server that is known, primaries first.
    var servers: [Standing] {
        state.withLock { state in
            let primaries = state.election.map.places
            let members = state.election.members
            let replicas = members.compactMap { member -> Standing? in
                guard !member.isPrimary, let place = member.place, !primaries.contains(place) else { return nil }
                let primary = members.first { $0.id == member.primary }?.place
                return Standing(
                    place: place, isPrimary: false, isReachable: state.servers[place]?.answers == true,
                    following: state.following(place, primary))
            }
            return primaries.map { Standing(place: $0, isPrimary: true, isReachable: state.servers[$0]?.answers == true) } + replicas
        }
    }

    /// A server to subscribe at: each time another one, of those that answer where there are any.
    func anyServer() -> Place? {
        let known = servers.filter { $0.isPrimary }
        let answering = known.filter { $0.isReachable }
        return (answering.isEmpty ? known : answering).randomElement()?.place ?? seeds.randomElement()
    }
}

extension ClusterWatch {
    private func run() async {
        await withDiscardingTaskGroup { group in
            for await _ in rings {
                for place in nextRound() { group.addTask { await self.ask(place) } }
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    /// Who is asked now, marked as such.
    private func nextRound() -> [Place] {
        state.withLock { state in
            guard !state.isStopped else { return [] }
            var known = state.election.map.places
            known += state.election.members.compactMap(\.place).filter { !known.contains($0) }
            let isForlorn = state.heardAt.map { .now() - $0 > Self.forlorn } ?? true
            if isForlorn { known += seeds.filter { !known.contains($0) } }
            for (place, server) in state.servers where !known.contains(place) && !server.isAsked {
                server.conversation?.close()
                state.servers[place] = nil
            }
            let count = min(Self.breadth, known.count)
            let round = (0..<count).map { known[(state.turn + $0) % known.count] }.filter { state.servers[$0]?.isAsked != true }
            state.turn = known.count > Self.breadth ? (state.turn + count) % known.count : 0
            for place in round { state.servers[place, default: Server()].isAsked = true }
            return round
        }
    }

    private func ask(_ place: Place) async {
        var conversation = state.withLock { $0.servers[place]?.conversation }
        do {
            let open: RedisConversation
            if let conversation { open = conversation } else { open = try await self.open(place) }
            conversation = open
            let replies = try await open.ask(
                [RedisCommand("CLUSTER", "NODES"), RedisCommand("INFO", "replication")], within: Self.patience)
            guard let text = replies[0].string else { throw StoreFailure.unavailable("no answer to CLUSTER NODES") }
            let members = ClusterMember.all(in: text, asked: place, prefersNames: connector.target.usesTLS)
            answered(place, members, ReplicationFacts(replies[1]), open)
        } catch {
            conversation?.close()
            state.withLock { $0.servers[place] = Server(answers: false) }
        }
    }

    private func open(_ place: Place) async throws -> RedisConversation {
        let conversation = try await RedisConversation.open(connector.leading(to: place), on: loop)
        do {
            let greeting = connector.greeting
            guard !greeting.isEmpty else { return conversation }
            for case .error(let text) in try await conversation.ask(greeting, within: Self.patience) {
                throw StoreFailure(errorText: text)
            }
            return conversation
        } catch {
            conversation.close()
            throw error
        }
    }

    private func answered(
        _ place: Place, _ members: [ClusterMember], _ replication: ReplicationFacts?, _ conversation: RedisConversation
    ) {
        let (map, listeners, promotions) = state.withLock { state in
            if state.isStopped { conversation.close() }
            state.servers[place] = Server(conversation: conversation, answers: true, replication: replication)
            state.heardAt = .now()
            let before = state.election.promotions
            let isNew = state.election.heard(members)
            return (isNew ? state.election.map : nil, state.listeners, state.election.promotions - before)
        }
        guard let map else { return }
        let facts: Logger.Metadata = ["primaries": "\(map.places.map(\.text).joined(separator: ", "))"]
        if promotions > 0 {
            logger.warning("a server of the Redis Cluster has another primary", metadata: facts)
        } else {
            logger.info("slots of the Redis Cluster", metadata: facts)
        }
        for listener in listeners { listener() }
    }
}
