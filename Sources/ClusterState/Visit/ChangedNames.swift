// Which names of a store have changed since somebody began to listen, as its servers tell (CLIENT TRACKING BCAST).

import NIOCore
import Synchronization

/// Gathers names from any number of servers; each name once, however often it changes.
///
/// A server tells of a write after it has answered it, and before it answers anything that it is asked later. So whoever has an answer of the
/// server, and then hears a word come back over the ear, has heard of everything before.
final class ChangedNames: Sendable {
    /// Where a server tells a client that speaks RESP2.
    static let channel = "__redis__:invalidate"

    private struct State {
        var names: Set<[UInt8]> = []
        var words = 0
        var isDeaf = false
        var ears: [any Channel] = []
    }

    private let state = Mutex(State())

    /// Something has come over an ear.
    func heard(_ reply: RedisReply) {
        state.withLock { state in
            guard let parts = reply.array, parts.count == 3, parts[0].string == "message" else {
                state.words += 1
                return
            }
            // No list: everything may have changed, as after FLUSHDB.
            guard let names = parts[2].array else {
                state.isDeaf = true
                return
            }
            for case .bytes(let name) in names { state.names.insert(name) }
        }
    }

    /// An ear that closes leaves changes unheard.
    func attach(_ ear: any Channel) {
        state.withLock { $0.ears.append(ear) }
        ear.closeFuture.whenComplete { _ in self.state.withLock { $0.isDeaf = true } }
    }

    /// Whether something may have been missed.
    var isDeaf: Bool { state.withLock { $0.isDeaf } }
    /// Names that have changed and were not taken.
    var count: Int { state.withLock { $0.names.count } }

    /// Those that have changed since they were taken last.
    func take() -> [[UInt8]] {
        state.withLock { state in
            defer { state.names = [] }
            return Array(state.names)
        }
    }

    /// Counts names as changed that were taken and not copied.
    func putBack(_ names: [[UInt8]]) { state.withLock { $0.names.formUnion(names) } }

    /// Returns once everything has been heard that had changed before it was called.
    /// - Throws: `StoreFailure` when an ear says nothing for a second.
    func catchUp() async throws {
        let (ears, before) = state.withLock { ($0.ears, $0.words) }
        for ear in ears {
            var buffer = ear.allocator.buffer(capacity: 32)
            RedisCommand("PING").write(to: &buffer)
            ear.writeAndFlush(buffer, promise: nil)
        }
        let deadline = ContinuousClock.now + .seconds(1)
        while state.withLock({ $0.words < before + ears.count }) {
            guard ContinuousClock.now < deadline, !isDeaf else { throw StoreFailure.unavailable("a server does not tell what changes") }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Ends all ears.
    func close() {
        for ear in state.withLock({ $0.ears }) { ear.close(promise: nil) }
    }
}
