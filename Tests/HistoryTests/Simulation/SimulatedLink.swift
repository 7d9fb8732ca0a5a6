// The way of one node to Redis, as the scheduler wants it: late, twice, out of order, or not at all.

@testable import ClusterState

/// A command under way: towards Redis, or its reply towards the node.
final class Flight {
    let number: Int
    let command: RedisCommand
    /// Microseconds of the world's own time.
    let sentAt: Int
    var completion: ((Result<RedisReply, StoreFailure>) -> Void)?
    var reply: Result<RedisReply, StoreFailure>?

    init(number: Int, command: RedisCommand, sentAt: Int, completion: ((Result<RedisReply, StoreFailure>) -> Void)?) {
        self.number = number
        self.command = command
        self.sentAt = sentAt
        self.completion = completion
    }
}

/// What a `RedisLink` does, without a socket: commands in order on one connection; what was not answered is sent again on the next one;
/// half a second without an answer is *unknown*, and then nothing more is tried until Redis is heard.
final class SimulatedLink: CommandLink {
    static let timeout = 500_000

    private unowned let world: World
    private(set) var flights: [Flight] = []
    private var ticks: [() -> Void] = []
    private var isStalled = false

    init(_ world: World) {
        self.world = world
    }

    var isUsable: Bool { !isStalled }
    var hasTicks: Bool { !ticks.isEmpty }

    func send(_ command: RedisCommand, _ completion: @escaping (Result<RedisReply, StoreFailure>) -> Void) {
        guard !isStalled else { return completion(.failure(.unavailable("Redis does not answer"))) }
        flights.append(world.flight(command, completion))
    }

    func atEndOfTick(_ work: @escaping () -> Void) { ticks.append(work) }

    func runTicks() {
        let work = ticks
        ticks = []
        for each in work { each() }
    }

    /// The first command that has not reached Redis.
    var undelivered: Flight? { flights.first { $0.reply == nil } }

    /// All that have not, in their order.
    var allUndelivered: [Flight] { flights.filter { $0.reply == nil } }

    /// Hands the next reply to its caller, in order.
    func hear() {
        guard let first = flights.first, let reply = first.reply else { return }
        flights.removeFirst()
        isStalled = false
        let completion = first.completion
        first.completion = nil
        completion?(reply)
    }

    var canHear: Bool { flights.first?.reply != nil }

    /// Tells those who have waited too long.
    func checkTime() {
        for flight in flights where flight.completion != nil && world.now - flight.sentAt >= Self.timeout {
            isStalled = true
            let completion = flight.completion
            flight.completion = nil
            completion?(.failure(.unknown))
        }
    }

    var waitsSince: Int? { flights.first { $0.completion != nil }?.sentAt }

    /// Its node is dead: nobody hears anything any more. - Returns: what is on its way.
    func die() -> [Flight] {
        defer { (flights, ticks) = ([], []) }
        return flights.filter { $0.reply == nil }
    }

    /// The connection breaks. What was not answered goes out again on the next one.
    /// - Returns: what was written and has not arrived; it may still do so, much later.
    func cut() -> [Flight] {
        let broken = flights
        flights = []
        isStalled = false
        for flight in broken where flight.completion != nil && flight.command.isRepeatable {
            let copy = world.flight(flight.command, flight.completion, sentAt: flight.sentAt)
            flights.append(copy)
        }
        for flight in broken where !flight.command.isRepeatable {
            let completion = flight.completion
            flight.completion = nil
            completion?(.failure(.lost))
        }
        return broken.filter { $0.reply == nil }
    }
}
