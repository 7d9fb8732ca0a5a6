// One event loop's way to a Redis Cluster: a link to each primary, and who has which slot.

import Logging
package import NIOCore

/// Sends each command to the server of its slot; confined to one loop.
///
/// A command that a server refuses because the slot is elsewhere, or under way, was not carried out: it is sent again, to whom it belongs,
/// for as long as a command may take. What was written to a connection that broke keeps the rules of `RedisLink`. Links are opened when they
/// are first needed, and closed when their server has no slot any more.
package final class ClusterLink: CommandLink, StoreLink {
    /// The one that it belongs to; nothing else may touch it.
    package let eventLoop: any EventLoop
    private let connector: RedisConnector
    private let watch: ClusterWatch
    private let logger: Logger
    private var map = SlotMap()
    private var links: [Way: RedisLink] = [:]
    /// Links to servers that have no slot any more, until what they carry is answered.
    private var leaving: [RedisLink] = []
    /// What links have counted that are gone.
    private var past = RedisMeter()
    /// Commands that are sent again in a moment.
    private var pausing: [RedisLink.Waiter] = []
    private var isTimed = false
    private var isStopped = false
    private var ticking: RepeatedTask?

    /// Before a slot that is under way is asked again.
    private static let pause = TimeAmount.milliseconds(20)
    /// Servers that one command may be sent to without a pause.
    private static let mostHops = 5
    private static let mostLinks = 1024

    /// One connection: where replicas have to acknowledge what is written to a server, readings take another one (`ReplicatedLink`).
    private struct Way: Hashable {
        let place: SlotMap.Place
        let isForReadings: Bool
    }

    /// - Parameter connector: the way to the whole cluster.
    init(_ connector: RedisConnector, watch: ClusterWatch, eventLoop: any EventLoop, logger: Logger) {
        (self.connector, self.watch, self.eventLoop, self.logger) = (connector, watch, eventLoop, logger)
    }

    /// Begins to follow the map; to be called on the event loop.
    package func start() {
        let link = NIOLoopBound(self, eventLoop: eventLoop)
        map = watch.follow { [eventLoop] in eventLoop.execute { link.value.adopt() } }
        // What a late server has said of a slot is not kept for longer than this.
        ticking = eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in link.value.adopt() }
    }

    /// Closes every connection; whatever is waiting fails, and nothing is taken any more.
    package func stop() {
        isStopped = true
        ticking?.cancel()
        for link in Array(links.values) + leaving { link.stop() }
        let lost = pausing
        pausing = []
        for waiter in lost { fail(waiter, "the node is shutting down") }
    }

    /// True if a command sent now has a chance: of some slot at least.
    package var isUsable: Bool {
        !isStopped && map.isKnown && (links.count < map.places.count || links.values.contains { $0.isUsable })
    }

    /// The sums over all that it has opened.
    package var meter: RedisMeter {
        var sum = past
        for link in Array(links.values) + leaving { sum.add(link.meter) }
        return sum
    }

    package func send(_ command: RedisCommand, _ completion: @escaping RedisLink.Completion) {
        eventLoop.assertInEventLoop()
        route(RedisLink.Waiter(command: command.guarded, sentAt: .now(), completion: completion))
    }

    package func atEndOfTick(_ work: @escaping () -> Void) {
        eventLoop.assumeIsolatedUnsafeUnchecked().execute(work)
    }

    private func route(_ waiter: RedisLink.Waiter) {
        guard !isStopped else { return fail(waiter, "the node is shutting down") }
        guard let place = place(for: waiter.command) else {
            watch.doubt()
            return later(waiter, "no server of the Redis Cluster has its slot")
        }
        guard let link = link(to: place, for: waiter.command) else { return fail(waiter, "too many servers") }
        link.take(waiter)
    }

    /// A command without keys goes where there is a connection already.
    private func place(for command: RedisCommand) -> SlotMap.Place? {
        if let slot = command.slot { return map.owner(of: slot) }
        return map.places.first { links[way(to: $0, for: command)]?.isUsable == true }
            ?? map.places.first { links[way(to: $0, for: command)] == nil } ?? map.places.first
    }

    private func way(to place: SlotMap.Place, for command: RedisCommand) -> Way {
        Way(place: place, isForReadings: connector.replicasToAck > 0 && !command.isWrite)
    }

    private func link(to place: SlotMap.Place, for command: RedisCommand) -> RedisLink? {
        let way = way(to: place, for: command)
        if let link = links[way] { return link }
        guard links.count < Self.mostLinks else { return nil }
        let server = connector.leading(to: place)
        let link = RedisLink(connector: way.isForReadings ? server.reading : server, eventLoop: eventLoop, logger: logger)
        link.cluster = self
        links[way] = link
        link.start(isAwaited: true)
        return link
    }

    private func adopt() {
        let next = watch.map
        guard !isStopped, next != map else { return }
        map = next
        for way in Array(links.keys) where !next.places.contains(way.place) {
            guard let link = links.removeValue(forKey: way) else { continue }
            leaving.append(link)
            link.leave()
        }
    }
}

// What links hand back.
extension ClusterLink {
    /// Sends a refused command to whom it belongs. - Returns: false for an error that is the command's own.
    func takeBack(_ refused: RedisLink.Waiter, _ text: String, from place: SlotMap.Place) -> Bool {
        guard let redirection = ClusterRedirection(text, asked: place) else { return false }
        var waiter = refused
        waiter.isWritten = waiter.wasLost
        waiter.hops += 1
        switch redirection {
        case .later:
            if text.hasPrefix("CLUSTERDOWN") { watch.doubt() }
            later(waiter, text)
        case .moved(let slot, let owner):
            watch.doubt()
            // What one server says, and how late, is believed of one command; of the slot only where it takes it from the server itself, for a
            // server that the map knows by that name. The map has the rest from all of them.
            guard map.places.contains(owner) else {
                later(waiter, text)
                return true
            }
            if map.owner(of: slot) == place { map.move(CollectionOfOne(slot), to: owner) }
            forward(waiter, to: owner, isAsking: false, text)
        case .ask(let owner): forward(waiter, to: owner, isAsking: true, text)
        }
        return true
    }

    /// Sends commands of a link that is given up to whoever has their slots now.
    func takeOver(_ orphans: [RedisLink.Waiter]) {
        for waiter in orphans { route(waiter) }
    }

    /// A link has nothing left to do.
    func hasLeft(_ link: RedisLink) {
        guard let index = leaving.firstIndex(where: { $0 === link }) else { return }
        leaving.remove(at: index)
        past.add(link.meter)
    }

    private func forward(_ waiter: RedisLink.Waiter, to place: SlotMap.Place, isAsking: Bool, _ text: String) {
        guard waiter.hops <= Self.mostHops else { return later(waiter, text) }
        guard !isStopped, let link = link(to: place, for: waiter.command) else { return fail(waiter, text) }
        link.take(waiter, isAsking: isAsking)
    }

    private func later(_ waiter: RedisLink.Waiter, _ text: String) {
        guard waiter.sentAt + RedisLink.commandTimeout > .now() + Self.pause, pausing.count < RedisLink.capacity, !isStopped else {
            return fail(waiter, text)
        }
        var waiter = waiter
        waiter.hops = 0
        pausing.append(waiter)
        guard !isTimed else { return }
        isTimed = true
        eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: Self.pause) {
            self.isTimed = false
            let due = self.pausing
            self.pausing = []
            for waiter in due { self.route(waiter) }
        }
    }

    private func fail(_ waiter: RedisLink.Waiter, _ text: String) {
        waiter.completion?(.failure(waiter.wasLost ? .unknown : .unavailable(text)))
    }
}
