// The owner of a child that the tests look through: an actor on an event loop that writes down what happens.

@testable import ChildProcesses
@testable import ClusterState
import Logging
import NIOCore
import NIOPosix

actor ChildOwner {
    static let patience = Teardown.Patience(afterEndOfInput: .milliseconds(200), afterTerminate: .milliseconds(200))

    private let loop: any EventLoop
    private var child: ChildProcess?
    private(set) var output = ""
    private(set) var outputHasEnded = false
    private(set) var exits: [ChildExit] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    init(on loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()) {
        self.loop = loop
    }

    var processIdentifier: Int32? { child?.processIdentifier }
    var stderrTail: [String] { child?.stderrTail ?? [] }

    func launch(_ command: ChildCommand) async throws {
        let events = ChildProcess.Events(
            onOutput: { self.output += String(buffer: $0) },
            onOutputEnd: { self.outputHasEnded = true },
            onExit: { self.exits.append($0) }
        )
        child = try await ChildProcess.launch(command, on: loop, log: Logger(label: "child"), events: events)
    }

    func write(_ text: String) {
        child?.write(ByteBuffer(string: text))
    }

    func end(patience: Teardown.Patience = patience) {
        child?.end(patience: patience)
    }

    func kill() {
        if let child { ProcessGroup(leader: child.processIdentifier).kill() }
    }
}
