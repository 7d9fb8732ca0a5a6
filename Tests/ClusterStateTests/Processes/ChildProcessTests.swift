// What a child process owes its owner, and what it must not leave behind (F32; pipes may be held by grandchildren).

@testable import ChildProcesses
@testable import ClusterState
import Foundation
import GateTesting
import NIOCore
import NIOPosix
import Testing

@Suite("A child process", .serialized)
struct ChildProcessTests {
    private let owner = ChildOwner()

    private func shell(_ script: String) -> ChildCommand { ChildCommand("sh", ["-c", script]) }

    @Test("answers on its output what it was told on its input, and leaves at the end of its input")
    func echo() async throws {
        try await owner.launch(ChildCommand("cat"))
        await owner.write("one\n")
        await owner.write("two\n")
        try await eventually { await owner.output == "one\ntwo\n" }
        await owner.end()
        try await eventually { await owner.exits == [.exited(code: 0)] }
        #expect(await owner.outputHasEnded)
    }

    @Test("that dies is noticed within 200 ms, and its last words are kept")
    func death() async throws {
        try await owner.launch(shell("echo first >&2; printf last >&2; read line; exit 3"))
        try await eventually { await owner.stderrTail == ["first", "last"] }
        await owner.write("go\n")
        try await eventually(within: .milliseconds(200)) { await owner.exits == [.exited(code: 3)] }
    }

    @Test("that is killed reports the signal")
    func killed() async throws {
        try await owner.launch(ChildCommand("cat"))
        await owner.kill()
        try await eventually(within: .milliseconds(400)) { await owner.exits == [.signalled(SIGKILL)] }
    }

    @Test("that ignores the end of its input gets SIGTERM, and one that ignores SIGTERM gets SIGKILL")
    func teardown() async throws {
        try await owner.launch(shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"))
        try await eventually { await owner.output == "up\n" }
        await owner.end()
        try await eventually { await owner.exits == [.exited(code: 7)] }

        let stubborn = ChildOwner()
        try await stubborn.launch(shell("trap '' TERM; echo up; while :; do sleep 0.01; done"))
        try await eventually { await stubborn.output == "up\n" }
        await stubborn.end()
        try await eventually { await stubborn.exits == [.signalled(SIGKILL)] }
    }

    @Test("takes the rest of its process group with it")
    func group() async throws {
        try await owner.launch(shell("sleep 1000 & echo $!; read line"))
        try await eventually { await owner.output.hasSuffix("\n") }
        let grandchild = try #require(Int32(await owner.output.dropLast()))
        #expect(ProcessTable.isRunning(grandchild))
        await owner.write("go\n")
        try await eventually { await owner.exits == [.exited(code: 0)] }
        try await eventually { !ProcessTable.isRunning(grandchild) }
    }

    @Test("ends although a grandchild that left the group holds its pipes open")
    func escapedGrandchild() async throws {
        try await owner.launch(shell("setsid sleep 1000 & echo $!; read line"))
        try await eventually { await owner.output.hasSuffix("\n") }
        let grandchild = try #require(Int32(await owner.output.dropLast()))
        defer { kill(grandchild, SIGKILL) }
        // setsid replaces itself in the background: wait until it has left the group, or it dies with it.
        try await eventually { getpgid(grandchild) == grandchild }
        await owner.end()
        try await eventually(within: .seconds(1)) { await owner.exits == [.exited(code: 1)] }
        #expect(ProcessTable.isRunning(grandchild))
    }

    @Test("inherits no descriptor but its three, no ignored signal, and its own process group")
    func surroundings() async throws {
        let stranger = open("/dev/null", O_RDONLY)
        defer { close(stranger) }
        try await owner.launch(shell("ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; ps -o pgid= -p $$; echo $$"))
        try await eventually { await owner.exits == [.exited(code: 0)] }
        let words = await owner.output.split(whereSeparator: \.isWhitespace)
        // ls holds one descriptor of its own, the directory.
        #expect(words.prefix(4) == ["0", "1", "2", "3"])
        #expect(words[5] == "0000000000000000")
        // 32 and 33 belong to the C library, which leaves them ignored.
        #expect(UInt64(words[7], radix: 16).map { $0 & ~0x1_8000_0000 } == 0)
        #expect(words[8] == words[9])
    }

    @Test("gets the environment and the working directory that it was given")
    func environment() async throws {
        var command = ChildCommand("sh", ["-c", "pwd; echo $COLOUR"])
        command.environment = ["COLOUR": "blue", "PATH": "/usr/bin:/bin"]
        command.workingDirectory = "/usr"
        try await owner.launch(command)
        try await eventually { await owner.exits == [.exited(code: 0)] }
        #expect(await owner.output == "/usr\nblue\n")
    }

    @Test("that cannot be found or executed is refused before anything is spawned")
    func refusals() async throws {
        await #expect(throws: ChildProcessFailure.commandNotFound("no-such-command")) {
            try await owner.launch(ChildCommand("no-such-command"))
        }
        await #expect(throws: ChildProcessFailure.notExecutable("/etc/passwd")) {
            try await owner.launch(ChildCommand("/etc/passwd"))
        }
        await #expect(throws: ChildProcessFailure.noWorkingDirectory("/no/such")) {
            try await owner.launch(ChildCommand("cat", workingDirectory: "/no/such"))
        }
    }

    @Test("of a node that dies without a word is killed by the kernel", .enabled(if: FileKind(at: "/usr/bin/setpriv") == .executable))
    func parentDeath() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let orphan = ChildOwner(on: group.next())
        try await orphan.launch(shell("trap '' TERM; echo up; while :; do sleep 0.01; done"))
        try await eventually { await orphan.output == "up\n" }
        let pid = try #require(await orphan.processIdentifier)
        try await group.shutdownGracefully()
        try await eventually { !ProcessTable.isRunning(pid) }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    @Test("leaves no descriptor, no zombie and no memory behind, start after start")
    func leaks() async throws {
        let rounds = ProcessInfo.processInfo.environment["LONG_TESTS"] == "1" ? 2_000 : 200
        _ = try await startAndStop(20)
        let (descriptors, memory) = (ProcessTable.openDescriptors, ProcessTable.residentMemory)
        let launched = try await startAndStop(rounds)
        // Other suites run beside this one and hold a few of their own.
        #expect(ProcessTable.openDescriptors - descriptors < rounds / 5)
        #expect(launched.isDisjoint(with: ProcessTable.children))
        #expect(ProcessTable.residentMemory - memory < 32 << 20)
    }

    private func startAndStop(_ rounds: Int) async throws -> Set<Int32> {
        var launched: Set<Int32> = []
        for round in 0..<rounds {
            let owner = ChildOwner()
            switch round % 4 {
            case 0:
                try await owner.launch(ChildCommand("cat"))
                await owner.write("hello\n")
                await owner.end()
            case 1:
                try await owner.launch(ChildCommand("true"))
            case 2:
                try await owner.launch(ChildCommand("cat"))
                await owner.kill()
            default:
                await #expect(throws: ChildProcessFailure.self) {
                    try await owner.launch(ChildCommand("/etc/passwd"))
                }
                continue
            }
            launched.insert(try #require(await owner.processIdentifier))
            try await eventually { await owner.exits.count == 1 }
        }
        return launched
    }
}
