// One command is enough to run a node: without a Redis URL it brings its own Redis (design: State in Redis).

import ChildProcesses
import GateDomain
import Glibc
package import Logging
package import NIOCore

/// The node's own `redis-server`: a child on a private Unix socket with an append-only file in the state directory.
///
/// The directory is locked, so that two nodes never write one append-only file; a server that a killed node left
/// behind is shut down first; a server that dies is started again and reads its file; `stop` waits until everything is
/// on the disk. Clients connect to `socketPath` and reconnect by themselves while the server is away.
package actor PrivateRedis {
    private let directoryPath: String
    private let durable: Bool
    private let executable: String
    private let loop: any EventLoop
    private let log: Logger
    private var directory: StateDirectory?
    private var child: ChildProcess?
    private var supervisor: Task<Void, Never>?

    /// The absolute path of the socket; empty before `start`.
    package private(set) var socketPath = ""
    /// What a connection has to say first. It is made anew with each node and is nowhere but in the memory of the two processes, so that
    /// a server behind the gate, which may be a process of the same user, cannot speak to the store.
    package nonisolated let password = RandomHex.digits(64)

    /// The server's process; nil while there is none.
    var processIdentifier: Int32? { child?.processIdentifier }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    /// - Parameter durable: true fsyncs every write before it is acknowledged, false once a second.
    package init(directory: String, durable: Bool, eventLoop: any EventLoop, logger: Logger) {
        self.init(directory: directory, durable: durable, executable: "redis-server", eventLoop: eventLoop, logger: logger)
    }

    init(directory: String, durable: Bool, executable: String, eventLoop: any EventLoop, logger: Logger) {
        directoryPath = directory
        self.durable = durable
        self.executable = executable
        loop = eventLoop
        log = logger
    }

    /// Locks the directory, starts the server, and returns when it answers. Call it once.
    /// - Throws: Why it cannot; nothing is left running then.
    package func start() async throws(PrivateRedisFailure) {
        if (try? ChildCommand(executable).resolvedPath()) == nil { throw .redisServerMissing }
        let directory = try StateDirectory(at: directoryPath)
        if let remark = directory.remark { log.warning("\(remark)") }
        socketPath = try directory.socketPath()
        try await endOrphan()
        try await launch(in: directory.path)
        let path = directory.path
        self.directory = consume directory
        // Owned by this actor: `stop` cancels it and waits for it.
        supervisor = Task { await supervise(in: path) }
    }

    /// Ends the server with SIGTERM, waits until its file is on the disk, and gives the directory free.
    package func stop() async {
        supervisor?.cancel()
        child?.end(patience: Self.patience)
        await supervisor?.value
        supervisor = nil
        // It may have started another one before it saw that it is cancelled.
        child?.end(patience: Self.patience)
        _ = await child?.exit()
        child = nil
        directory?.abandon(socketPath)
        directory = nil
    }

    private func supervise(in directory: String) async {
        var backoff = RestartBackoff()
        while !Task.isCancelled {
            let start = NIODeadline.now()
            let status = await child?.exit()
            if Task.isCancelled { return }
            let pause = backoff.pause(afterLifeOf: status.map { _ in .now() - start })
            log.error(
                "The private redis-server has ended and will be started again.",
                metadata: ["status": "\(status.map(String.init(describing:)) ?? "not started")", "pause": "\(pause)"])
            try? await Task.sleep(for: .nanoseconds(pause.nanoseconds))
            if Task.isCancelled { return }
            do {
                try await launch(in: directory)
                log.notice("The private redis-server answers again.")
            } catch {
                log.error("\(error.sentence)")
            }
        }
    }
}

extension PrivateRedis {
    /// SIGTERM at once; it writes and syncs its file before it leaves.
    private static let patience = Teardown.Patience(afterEndOfInput: .zero, afterTerminate: .seconds(8))
    /// A server that says nothing at all for so long is given up; one that says that it is loading is waited for.
    private static let longestSilence = TimeAmount.seconds(15)

    private var probe: RedisProbe { RedisProbe(socketPath: socketPath, password: password, loop: loop) }

    /// A server of a node that was killed may still run on our socket. Its file has everything that it acknowledged. It takes no orders, for
    /// nobody knows its password any more; but the kernel says which process it is.
    private func endOrphan() async throws(PrivateRedisFailure) {
        let deadline = NIODeadline.now() + Self.longestSilence
        var hasSaid = false
        while .now() < deadline, !Task.isCancelled {
            switch await probe.ask("PING") {
            case .refused: return
            case .silent: break
            case .line:
                if !hasSaid { log.warning("A redis-server of an earlier node still runs on this state directory; it is shut down.") }
                hasSaid = true
                if let holder = SocketHolder.process(of: socketPath) { kill(holder, SIGTERM) }
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        throw .cannotStart(reason: "An earlier redis-server holds '\(socketPath)' and does not leave.")
    }

    /// Starts the server and waits until it answers; a server that does not is ended before the error is thrown.
    private func launch(in directory: String) async throws(PrivateRedisFailure) {
        child = nil
        let child: ChildProcess
        do {
            child = try await ChildProcess.launch(command(in: directory), on: loop, log: log, events: .init())
        } catch {
            throw .cannotStart(reason: error.sentence)
        }
        self.child = child
        // On its standard input, because a command line and a file can be read by others.
        child.write(ByteBuffer(string: "requirepass \(password)\n"))
        child.closeInput()
        var lastSign = NIODeadline.now()
        while child.isRunning, !Task.isCancelled, .now() - lastSign < Self.longestSilence {
            let answer = await probe.ask("PING")
            if answer.isReady { return }
            if case .line = answer { lastSign = .now() }
            try? await Task.sleep(for: .milliseconds(10))
        }
        child.end(patience: Self.patience)
        let status = await child.exit()
        self.child = nil
        let words = child.stderrTail.isEmpty ? FileTail.lines(of: directory + "/redis.log") : child.stderrTail
        throw .cannotStart(reason: "redis-server ended with \(status). " + words.suffix(3).joined(separator: " "))
    }

    private func command(in directory: String) -> ChildCommand {
        let settings = [
            ("dir", directory), ("logfile", directory + "/redis.log"), ("loglevel", "warning"),
            ("daemonize", "no"), ("port", "0"), ("unixsocket", socketPath), ("unixsocketperm", "700"),
            ("appendonly", "yes"), ("appendfsync", durable ? "always" : "everysec"), ("save", ""),
            ("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("timeout", "0"), ("databases", "1"),
        ]
        return ChildCommand(
            executable, settings.flatMap { ["--" + $0, $1] } + ["-"], environment: ["LC_ALL": "C"], deathSignal: .terminate)
    }
}
