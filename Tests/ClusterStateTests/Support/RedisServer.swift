// A real redis-server for the tests: nothing of Redis is ever mocked.

import Foundation

/// A `redis-server` on a Unix socket in a directory of its own, without a TCP port. It ends with its owner, and with the test process.
final class RedisServer: Sendable {
    /// One that tests share which leave it alone; each takes a prefix of its own.
    static let shared = RedisServer.startedForAll()

    let socket: String
    private let directory: TemporaryDirectory
    private let keeper: LockedKeeper

    init() async throws {
        directory = try TemporaryDirectory()
        socket = directory.path + "/redis.sock"
        keeper = LockedKeeper()
        try await start()
    }

    /// Without an `await`, as a static is made; nobody's end removes its directory, so the shell does.
    private init(waiting: Void) throws {
        directory = try TemporaryDirectory()
        socket = directory.path + "/redis.sock"
        keeper = LockedKeeper()
        try keeper.launch(arguments, finally: "; rm -rf \(directory.path)")
        while !FileManager.default.fileExists(atPath: socket) { usleep(2000) }
    }

    private static func startedForAll() -> RedisServer {
        do { return try RedisServer(waiting: ()) } catch { fatalError("redis-server is needed on the PATH: \(error)") }
    }

    deinit { keeper.end() }

    var pid: Int32 { keeper.pid }

    /// Starts it, or starts it again on the same append-only file.
    func start() async throws {
        try? FileManager.default.removeItem(atPath: socket)
        try keeper.launch(arguments)
        while !FileManager.default.fileExists(atPath: socket) { try await Task.sleep(for: .milliseconds(2)) }
    }

    func kill() { keeper.end() }
    func pause() { _ = Foundation.kill(pid, SIGSTOP) }
    func resume() { _ = Foundation.kill(pid, SIGCONT) }

    private var arguments: String {
        "redis-server --port 0 --unixsocket \(socket) --dir \(directory.path) --appendonly yes --appendfsync everysec --save '' --loglevel warning"
    }
}

/// The process behind a server: a shell that kills it when our end of its input closes, however we end.
private final class LockedKeeper: @unchecked Sendable {
    // Unchecked: every access is under the lock.
    private let lock = NSLock()
    private var shell: Process?
    private var server: Int32 = 0

    var pid: Int32 { lock.withLock { server } }

    func launch(_ command: String, finally: String = "") throws {
        try lock.withLock {
            let (input, output) = (Pipe(), Pipe())
            let shell = Process()
            shell.executableURL = URL(fileURLWithPath: "/bin/sh")
            shell.arguments = ["-c", "\(command) </dev/null >/dev/null 2>&1 & echo $!; read line; kill -9 $!\(finally)"]
            shell.standardInput = input
            shell.standardOutput = output
            try shell.run()
            let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            server = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
            self.shell = shell
        }
    }

    func end() {
        lock.withLock {
            guard let shell, server > 0 else { return }
            kill(server, SIGKILL)
            try? (shell.standardInput as? Pipe)?.fileHandleForWriting.close()
            shell.waitUntilExit()
            self.shell = nil
        }
    }
}
