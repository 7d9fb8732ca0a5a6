// One at a time, in the order in which they came.

import Synchronization

/// What is read in several steps by an actor, which others may enter between two of them: whoever takes the turn has it until he passes it on.
final class Turn: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Whether somebody waits for whoever has it.
    var isAwaited: Bool { state.withLock { !$0.waiting.isEmpty } }

    /// Comes back when all who came before have passed it on.
    func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.isTaken { state.waiting.append(continuation) }
                defer { state.isTaken = true }
                return !state.isTaken
            }
            if isFree { continuation.resume() }
        }
    }

    func pass() {
        let next = state.withLock { state in
            state.isTaken = !state.waiting.isEmpty
            return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        }
        next?.resume()
    }
}
