// The loop of every fuzz test: bounded, and repeated by a seed that it prints.

import Foundation
import Synchronization
package import Testing

/// Runs `body` again and again, each time with a generator of its own, until its time is over or a round has recorded an issue.
///
/// A test has half a second, with `LONG_TESTS=1` twenty, with `FUZZ_SECONDS` so many. The series is always the same and begins with the
/// test's own seed, or with `FUZZ_SEED`; with `LONG_TESTS=1` it is another one each time. The seed is printed before, in case a round brings
/// everything down, and a suite with `.replayable` prints that of the round which failed: given as `FUZZ_SEED`, that round comes first.
/// - Parameters:
///   - name: of the test, as it is printed.
///   - seed: where the series begins.
package func fuzz(_ name: String, seed: UInt64, _ body: (inout Chance) throws -> Void) rethrows {
    let run = FuzzRun(FuzzRun.givenSeed ?? (longTestsAreWanted ? .random(in: 0 ... .max) : seed))
    print("Fuzzing \(name) for \(FuzzRun.seconds) s with FUZZ_SEED=\(run.seed)")
    let end = ContinuousClock.now + .seconds(FuzzRun.seconds)
    try FuzzRun.$current.withValue(run) {
        repeat {
            var chance = Chance(seed: run.seed)
            try body(&chance)
            if !run.hasFailed { run.goOn() }
        } while !run.hasFailed && ContinuousClock.now < end
    }
    #expect(run.rounds > 1 || run.hasFailed, "\(name): only one round")
}

/// Where a fuzz test stands.
final class FuzzRun: Sendable {
    @TaskLocal static var current: FuzzRun?
    static let givenSeed = ProcessInfo.processInfo.environment["FUZZ_SEED"].flatMap(UInt64.init)
    static let seconds = ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap(Double.init) ?? (longTestsAreWanted ? 20 : 0.5)

    private let state: Mutex<(seed: UInt64, rounds: Int, hasFailed: Bool)>

    init(_ seed: UInt64) { state = Mutex((seed, 1, false)) }

    /// Of the round under way.
    var seed: UInt64 { state.withLock { $0.seed } }
    var rounds: Int { state.withLock { $0.rounds } }
    var hasFailed: Bool { state.withLock { $0.hasFailed } }
    func fail() { state.withLock { $0.hasFailed = true } }

    func goOn() {
        state.withLock { state in
            var series = Chance(seed: ~state.seed)
            state.seed = series.next()
            state.rounds += 1
        }
    }
}

extension Trait where Self == IssueHandlingTrait {
    /// Says with each failure of a fuzz test how its round is repeated, and ends the test with that round.
    package static var replayable: Self {
        .compactMapIssues { issue in
            guard let run = FuzzRun.current else { return issue }
            var issue = issue
            issue.comments.append("FUZZ_SEED=\(run.seed) repeats this round.")
            run.fail()
            return issue
        }
    }
}
