// Many requests at once.

import Synchronization

/// Runs `count` jobs, at most `workers` at a time; results in the order of the jobs.
@discardableResult
package func concurrently<Result: Sendable>(
    _ count: Int, workers: Int = 64, _ job: @escaping @Sendable (Int) async throws -> Result
) async rethrows -> [Result] {
    try await withThrowingTaskGroup(of: (Int, Result).self) { group in
        var results = [Result?](repeating: nil, count: count)
        for index in 0..<min(workers, count) { group.addTask { (index, try await job(index)) } }
        var next = min(workers, count)
        while let (index, result) = try await group.next() {
            results[index] = result
            guard next < count else { continue }
            group.addTask { [next] in (next, try await job(next)) }
            next += 1
        }
        return results.compactMap(\.self)
    }
}

/// Workers that call one after the other while a test does something to the cluster.
///
/// - Parameter pause: Between two calls of a worker.
/// - Returns: Every outcome of every call, in the order in which they ended.
package func underLoad(
    workers: Int = 16, pause: Duration = .zero, _ call: @escaping @Sendable (Int) async -> CallOutcome, while body: () async throws -> Void
) async throws -> [CallOutcome] {
    let load = LoadInProgress()
    return try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<workers {
            group.addTask {
                var turn = worker
                while !load.isOver {
                    load.note(await call(turn))
                    turn += workers
                    if pause > .zero { try await Task.sleep(for: pause) }
                }
            }
        }
        do {
            try await body()
        } catch {
            load.end()
            throw error
        }
        load.end()
        try await group.waitForAll()
        return load.outcomes
    }
}

private final class LoadInProgress: Sendable {
    private let state = Mutex<(outcomes: [CallOutcome], isOver: Bool)>(([], false))

    var isOver: Bool { state.withLock { $0.isOver } }
    var outcomes: [CallOutcome] { state.withLock { $0.outcomes } }
    func note(_ outcome: CallOutcome) { state.withLock { $0.outcomes.append(outcome) } }
    func end() { state.withLock { $0.isOver = true } }
}
