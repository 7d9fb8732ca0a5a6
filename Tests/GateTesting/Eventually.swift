// Waiting for a condition instead of for a time.

import Foundation
package import Testing

extension Duration {
    /// How many times longer than on a quiet machine anything may take: `TEST_PATIENCE`, else 5 where `CI` is set, else 1.
    package static let patience = environmentNumber("TEST_PATIENCE") ?? (ProcessInfo.processInfo.environment["CI"] == nil ? 1 : 5)

    /// The limit for something that takes no longer on a quiet machine.
    package var patiently: Duration { self * Self.patience }

    private static func environmentNumber(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap(Int.init) }
}

/// Asks until the condition holds; records a failure when the deadline passes first.
///
/// - Parameter limit: how long it takes at most on a quiet machine.
/// - Returns: How long it took.
@discardableResult
package func eventually(
    _ guarantee: Comment = "the condition holds",
    within limit: Duration = .seconds(10),
    every interval: Duration = .milliseconds(20),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now, limit = limit.patiently
    while try await !condition() {
        guard ContinuousClock.now - start < limit else {
            Issue.record("\(guarantee.rawValue): not within \(limit)", sourceLocation: sourceLocation)
            break
        }
        try await Task.sleep(for: interval)
    }
    return ContinuousClock.now - start
}

/// Does something that could wait for ever.
///
/// - Throws: `KitFailure` when it has not ended after the limit; it is cancelled then.
package func within<Result: Sendable>(
    _ limit: Duration, _ name: String, _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(for: limit)
            throw KitFailure("\(name): not within \(limit)")
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw CancellationError() }
        return result
    }
}

/// What could not be set up; a test that meets it proves nothing.
package struct KitFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
