// A way to Redis that loses answers, loses commands, and delivers further copies late and in another order.

@testable import ClusterState
import NIOCore

/// Everything that a network and a link that sends again may do to commands, at random; confined to the loop of the link that it wraps.
final class FlakyLink: CommandLink {
    private let link: RedisLink
    /// Commands and copies that are still on their way.
    private(set) var pending = 0
    /// From here on everything arrives, at once and once.
    var isHealed = false

    init(_ link: RedisLink) { self.link = link }

    var isUsable: Bool { link.isUsable }

    func atEndOfTick(_ work: @escaping () -> Void) { link.atEndOfTick(work) }

    func send(_ command: RedisCommand, _ completion: @escaping (Result<RedisReply, StoreFailure>) -> Void) {
        guard !isHealed else { return link.send(command, completion) }
        switch Int.random(in: 0..<10) {
        case 0:
            // Carried out, and nobody hears of it.
            link.send(command) { _ in completion(.failure(.unknown)) }
        case 1:
            // Given up, and carried out later.
            later(1...4) { completion(.failure(.unknown)) }
            copy(command, in: 5...700)
        case 2: later(1...4) { completion(.failure(.unknown)) }
        case 3:
            link.send(command, completion)
            copy(command, in: 0...700)
        case 4: later(0...30) { self.link.send(command, completion) }
        default: link.send(command, completion)
        }
    }

    private func copy(_ command: RedisCommand, in milliseconds: ClosedRange<Int64>) {
        later(milliseconds) { self.link.send(command) { _ in } }
    }

    private func later(_ milliseconds: ClosedRange<Int64>, _ work: @escaping () -> Void) {
        pending += 1
        link.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: .milliseconds(Int64.random(in: milliseconds))) {
            self.pending -= 1
            work()
        }
    }
}
