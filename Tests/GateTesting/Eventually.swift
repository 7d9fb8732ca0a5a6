// Waiting for a condition instead of for a time.

package import Testing

/// Asks until the condition holds; records a failure when the deadline passes first.
///
/// - Returns: How long it took.
@discardableResult
package func eventually(
    _ guarantee: Comment = "the condition holds",
    within limit: Duration = .seconds(10),
    every interval: Duration = .milliseconds(20),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws -> Duration {
    let start = ContinuousClock.now
    while try await !condition() {
        guard ContinuousClock.now - start < limit else {
            Issue.record("\(guarantee.rawValue): not within \(limit)", sourceLocation: sourceLocation)
            break
        }
        try await Task.sleep(for: interval)
    }
    return ContinuousClock.now - start
}

/// What could not be set up; a test that meets it proves nothing.
package struct KitFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
