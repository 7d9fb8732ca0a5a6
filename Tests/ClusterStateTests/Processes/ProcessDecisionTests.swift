// The decisions around a child, without a child.

@testable import ChildProcesses
@testable import ClusterState
import NIOCore
import Testing

@Suite("Around a child process")
struct ProcessDecisionTests {
    @Test("a teardown takes each step once, in order, and not before its time")
    func teardown() {
        let start = NIODeadline.uptimeNanoseconds(1_000)
        var teardown = Teardown(
            patience: .init(afterEndOfInput: .seconds(1), afterTerminate: .seconds(2)), startingAt: start)
        #expect(teardown.due(at: start) == .closeInput)
        #expect(teardown.due(at: start + .milliseconds(999)) == nil)
        #expect(teardown.due(at: start + .seconds(1)) == .terminate)
        #expect(teardown.due(at: start + .milliseconds(2_999)) == nil)
        #expect(teardown.due(at: start + .seconds(3)) == .kill)
        #expect(teardown.due(at: start + .seconds(9)) == nil)
    }

    @Test("restarts slow down to one in five seconds and are quick again after a healthy life (F32)")
    func backoff() {
        var backoff = RestartBackoff()
        let pauses = (0..<7).map { _ in backoff.pause(afterLifeOf: .seconds(1)) }
        #expect(pauses == [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000].map { .milliseconds($0) })
        #expect(backoff.pause(afterLifeOf: .seconds(10)) == .milliseconds(250))
        #expect(backoff.pause(afterLifeOf: nil) == .milliseconds(500))
    }

    @Test("the tail keeps the last lines, whole or cut, across any split of the stream")
    func tail() {
        var tail = LineTail(capacity: 3, longestLine: 5)
        var seen: [String] = []
        for piece in ["a\nb", "b\r\n", "", "toolongline\n\n", "end"] {
            tail.append(ByteBuffer(string: piece)) { seen.append($0) }
        }
        #expect(seen == ["a", "bb", "toolo", ""])
        #expect(tail.lines == ["bb", "toolo", "", "end"])
    }

    @Test("a command is looked up on its own PATH and skips what cannot be executed")
    func resolution() throws {
        var command = ChildCommand("sh")
        #expect(try command.resolvedPath().hasSuffix("/sh"))
        command.environment = ["PATH": "/no/such/place"]
        #expect(throws: ChildProcessFailure.commandNotFound("sh")) { try command.resolvedPath() }
        #expect(try ChildCommand("bin/sh", workingDirectory: "/").resolvedPath() == "//bin/sh")
        #expect(throws: ChildProcessFailure.notExecutable("/usr/bin/../bin")) {
            try ChildCommand("/usr/bin/../bin").resolvedPath()
        }
        #expect(throws: ChildProcessFailure.commandNotFound("")) { try ChildCommand("").resolvedPath() }
    }
}
