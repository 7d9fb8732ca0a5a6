// The store as the rest of the node sees it: one way to it an event loop, and an async face for what is off the call path.

import GateDomain
package import Logging
package import NIOCore
import Synchronization

/// One Redis, or the servers of a Redis Cluster, reached from every event loop of this node.
package final class RedisStore: CommandStore {
    package let keys: RedisKeys
    /// How its connections are made.
    package var connector: RedisConnector { place.current }
    /// Where it may be moved to while it is used; nil where nobody has said so, and after it was.
    package var successor: RedisConnector? { place.successor }
    private let place: Place
    /// Who follows the primary, where it is one alone.
    let replication: ReplicationReader
    private typealias Way = (loop: any EventLoop, link: NIOLoopBound<any StoreLink>)
    private let links: [Way]
    /// How many of the last of them are for what is off the call path.
    private let aside: Int
    private let turn = Atomic<Int>(0)

    /// Where a store is, was, and may be; shared by all that stand for it.
    private final class Place: Sendable {
        private struct State {
            var current: RedisConnector
            var successor: RedisConnector?
            var past: RedisConnector?
        }

        private let state: Mutex<State>

        init(_ current: RedisConnector, _ successor: RedisConnector?) { state = Mutex(State(current: current, successor: successor)) }

        var current: RedisConnector { state.withLock { state in state.current } }
        var successor: RedisConnector? { state.withLock { state in state.successor } }
        var all: [RedisConnector] {
            state.withLock { state in [state.current, state.successor, state.past].compactMap { $0 } }
        }

        func moveOver() {
            state.withLock { state in
                guard let successor = state.successor else { return }
                state = State(current: successor, successor: nil, past: state.current)
            }
        }
    }

    /// Opens a link on each of the loops; returns before they are connected.
    /// - Parameters:
    ///   - successor: where the store may be moved to.
    ///   - background: where replies are read that no call waits for, which may be long ones; nil has the loops take them in turn.
    /// - Throws: if a loop is shut down.
    package init(
        connector: RedisConnector, successor: RedisConnector? = nil, keys: RedisKeys, loops: [any EventLoop],
        background: (any EventLoop)? = nil, logger: Logger
    ) async throws {
        place = Place(connector, successor)
        replication = ReplicationReader()
        self.keys = keys
        var links: [Way] = []
        for loop in loops + [background].compactMap({ $0 }) {
            let link = try await loop.submit {
                let link = Self.link(connector, successor, loop, logger)
                link.start()
                return NIOLoopBound(link, eventLoop: loop)
            }.get()
            links.append((loop, link))
        }
        self.links = links
        aside = background == nil ? links.count : 1
    }

    private static func link(
        _ connector: RedisConnector, _ successor: RedisConnector?, _ loop: any EventLoop, _ logger: Logger
    ) -> any StoreLink {
        let link = link(connector, loop, logger)
        guard let successor else { return link }
        return MovableLink(from: link, to: self.link(successor, loop, logger), eventLoop: loop)
    }

    private static func link(_ connector: RedisConnector, _ loop: any EventLoop, _ logger: Logger) -> any StoreLink {
        guard let watch = connector.cluster else {
            let link = RedisLink(connector: connector, eventLoop: loop, logger: logger)
            guard connector.replicasToAck > 0 else { return link }
            return ReplicatedLink(writes: link, reads: RedisLink(connector: connector.reading, eventLoop: loop, logger: logger))
        }
        return ClusterLink(connector, watch: watch, eventLoop: loop, logger: logger)
    }

    /// The same links under other names: those of a store whose shards are known.
    package init(_ other: RedisStore, keys: RedisKeys) {
        self.keys = keys
        place = other.place
        replication = other.replication
        (links, aside) = (other.links, other.aside)
    }

    /// The link of an event loop of this node.
    package func link(of loop: any EventLoop) -> NIOLoopBound<any StoreLink>? {
        links.first { $0.loop === loop }?.link
    }

    /// The link for a command that comes from off the call path.
    private var way: Way { links[links.count - 1 - turn.wrappingAdd(1, ordering: .relaxed).oldValue % aside] }

    /// Sends a command from anywhere and waits for its reply.
    package func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        let (loop, link) = way
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
            link.value.send(command) { promise.succeed($0) }
            return promise.futureResult
        }.value().get()
    }

    /// Sends a command once over each link, at the same time.
    /// - Throws: the first failure of any.
    package func sendOverEveryLink(_ command: RedisCommand) async throws(StoreFailure) {
        let replies = links.map { loop, link in
            loop.flatSubmit {
                let promise = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
                link.value.send(command) { promise.succeed($0) }
                return promise.futureResult
            }
        }
        for reply in replies { _ = try await reply.value().get() }
    }

    /// Sends commands that need nothing of each other in one go, and those that fail once more, patiently; replies are in their order.
    package func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] {
        let (loop, link) = way
        let results: [Result<RedisReply, StoreFailure>]? = try? await loop.flatSubmit {
            let replies = commands.map { command in
                let promise = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
                link.value.send(command) { promise.succeed($0) }
                return promise.futureResult
            }
            return EventLoopFuture.whenAllSucceed(replies, on: loop)
        }.get()
        guard let results else { throw .unavailable("the node is shutting down") }
        var replies: [RedisReply] = []
        for (command, result) in zip(commands, results) {
            switch result {
            case .success(let reply): replies.append(reply)
            case .failure(let failure): replies.append(try await sendPatiently(command, after: failure))
            }
        }
        return replies
    }

    /// Sends a command whose double application does no harm, for as long as the caller may reasonably wait (2 s).
    package func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
        try await sendPatiently(command, after: .unavailable("not tried yet"))
    }

    /// - Parameter first: how it has failed before: a command that may have been carried out once may have been, whatever comes of the others.
    private func sendPatiently(_ command: RedisCommand, after first: StoreFailure) async throws(StoreFailure) -> RedisReply {
        let deadline = NIODeadline.now() + .seconds(2)
        var mayBeDone = first.mayHaveBeenCarriedOut
        while true {
            do {
                return try await send(command)
            } catch {
                if case .fault = error { throw error }
                mayBeDone = mayBeDone || error.mayHaveBeenCarriedOut
                if NIODeadline.now() >= deadline { throw mayBeDone ? .unknown : error }
                do { try await Task.sleep(for: .milliseconds(50)) } catch { throw .unknown }
            }
        }
    }

    /// Whether the store has been moved to its successor, as that says; false where there is none, it does not answer, or what was moved
    /// there is another store. Tells the mover that this node asks.
    /// - Parameter node: its name on the list of nodes.
    package func hasArrived(asked node: String) async -> Bool {
        guard successor != nil, let (loop, link) = links.first else { return false }
        func ask(_ command: RedisCommand, source: Bool = false) async -> RedisReply? {
            try? await loop.flatSubmit {
                guard let link = link.value as? MovableLink else { return loop.makeSucceededFuture(.failure(.unknown)) }
                let promise = loop.makePromise(of: Result<RedisReply, StoreFailure>.self)
                if source { link.send(command) { promise.succeed($0) } } else { link.ask(command) { promise.succeed($0) } }
                return promise.futureResult
            }.value().get()
        }
        if await ask(RedisCommand("GET", keys.move(.arrived)))?.string != nil {
            let session = RedisCommand("HGET", keys.secrets, "session")
            guard let other = await ask(session)?.string else { return false }
            // The old store may have been switched off by now.
            let own = await ask(session, source: true)?.string
            return own == nil || own == other
        }
        let followers = keys.move(.followers)
        _ = await ask(RedisCommand("HSET", followers, node, "1"))
        _ = await ask(RedisCommand("PEXPIRE", followers, "5000"))
        return false
    }

    /// Goes over to the successor on every event loop; what is under way is answered by the store that was.
    package func moveOver() async {
        for (loop, link) in links { _ = try? await loop.submit { (link.value as? MovableLink)?.moveOver() }.get() }
        place.moveOver()
    }

    /// Whether the first link and the last one are connected and Redis answers on them; in a Redis Cluster, one server at least.
    package var isReachable: Bool {
        get async {
            for (loop, link) in [links[0], links[links.count - 1]] {
                guard (try? await loop.submit({ link.value.isUsable }).get()) == true else { return false }
            }
            return true
        }
    }

    /// The sums over all links.
    package func meter() async -> RedisMeter {
        var sum = RedisMeter()
        for (loop, link) in links {
            guard let meter = try? await loop.submit({ link.value.meter }).get() else { continue }
            sum.add(meter)
        }
        return sum
    }

    /// Closes every link; what is waiting fails.
    package func stop() async {
        for connector in place.all {
            connector.watch?.stop()
            connector.cluster?.stop()
        }
        for (loop, link) in links { _ = try? await loop.submit { link.value.stop() }.get() }
    }
}

extension EventLoopFuture where Value: Sendable {
    /// The value of a future that only fails when its event loop is shut down.
    fileprivate func value<Reply>() async -> Value where Value == Result<Reply, StoreFailure> {
        (try? await get()) ?? .failure(.unavailable("the node is shutting down"))
    }
}
