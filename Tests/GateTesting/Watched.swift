// No test waits for ever: what does is named, and ends.

import Foundation
import Glibc
import Synchronization
package import Testing

extension Trait where Self == WatchedTrait {
    /// After eight minutes of one test its processes are ended, and a minute later, if that has not helped, all tests.
    package static var watched: Self { WatchedTrait() }
}

/// Tells which test stands still: whoever sees only a job that was stopped from outside cannot know.
package struct WatchedTrait: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(for test: Test, testCase: Test.Case?, performing work: @Sendable () async throws -> Void) async throws {
        guard testCase != nil else { return try await work() }
        let watch = Watch(test)
        defer { watch.end() }
        try await work()
    }
}

/// Lives outside of the tasks of tests, which may all be waiting.
private final class Watch: Sendable {
    private let isOver = Atomic<Bool>(false)

    init(_ test: Test) {
        let name = test.displayName ?? test.name
        after(.seconds(480)) {
            say("Test “\(name)” stands still for 8 minutes; its processes are ended now.")
            for output in LivePrograms.newOutput { say(output) }
            LivePrograms.kill()
        }
        after(.seconds(540)) {
            say("Test “\(name)” does not end.")
            exit(EXIT_FAILURE)
        }
    }

    func end() { isOver.store(true, ordering: .relaxed) }

    private func after(_ time: DispatchTimeInterval, _ work: @escaping @Sendable () -> Void) {
        DispatchQueue.global().asyncAfter(deadline: .now() + time) { [weak self] in
            if let self, !self.isOver.load(ordering: .relaxed) { work() }
        }
    }
}

private func say(_ text: String) {
    // What has been printed so far lies in buffers.
    fflush(nil)
    FileHandle.standardError.write(Data((text + "\n").utf8))
}
