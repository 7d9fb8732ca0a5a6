// A real Redis of a test's own.

import Glibc
import Synchronization

/// `redis-server` on a port of 127.0.0.1 and on a Unix socket, with its files in a temporary directory.
package final class RedisServer: Sendable {
    /// How much of what was acknowledged outlives the process.
    package enum Durability: String, Sendable, CaseIterable {
        case memory, everysec, always
    }

    /// One that tests share which leave it alone; each takes a prefix of its own.
    package static let shared = Task { try await RedisServer() }

    package let port: Int
    package let directory: TemporaryDirectory
    private let durability: Durability
    private let clock: SteppingClock?
    private let flags: [String]
    private let tls: TLSFiles?
    private let program: Mutex<Program>

    /// Starts it and waits until it answers.
    ///
    /// - Parameters:
    ///   - clock: What it takes for the time of day.
    ///   - flags: Further settings, as `redis-server` takes them.
    ///   - tls: Where it is given, the port speaks TLS alone, and trusts clients without a certificate.
    package init(
        _ durability: Durability = .memory, clock: SteppingClock? = nil, flags: [String] = [], tls: TLSFiles? = nil
    ) async throws {
        self.durability = durability
        self.clock = clock
        self.flags = flags
        self.tls = tls
        port = FreePort.take()
        directory = try TemporaryDirectory()
        program = Mutex(try Self.launch(durability, port, in: directory, clock, flags, tls))
        try await waitUntilItAnswers()
    }

    package var url: String { "redis://127.0.0.1:\(port)" }
    /// The path of its Unix socket.
    package var socket: String { directory.file("redis.sock") }

    /// Stops answering, keeps all connections.
    package func pause() { current.signal(SIGSTOP) }
    package func resume() { current.signal(SIGCONT) }

    package func kill9() async throws { try await current.kill9() }

    /// Starts it anew on the files that it left, on the same port.
    package func restart() async throws {
        let next = try Self.launch(durability, port, in: directory, clock, flags, tls)
        program.withLock { $0 = next }
        try await waitUntilItAnswers()
    }

    /// Runs one command and returns what `redis-cli` prints for it, without the last line break.
    @discardableResult
    package func command(_ words: String...) async throws -> String { try await command(words) }

    @discardableResult
    package func command(_ words: [String]) async throws -> String {
        let client = try Program(
            "redis-cli", ["redis-cli", "-p", "\(port)"] + (tls.map { ["--tls", "--cacert", $0.authority] } ?? []) + words)
        guard try await client.waitForExit(within: .seconds(20)) == 0 else { throw KitFailure("redis-cli \(words): \(client.log)") }
        return client.log.last == "\n" ? String(client.log.dropLast()) : client.log
    }

    /// Repeats one command until the returned program is killed.
    package func repeating(_ words: String..., every milliseconds: Int) throws -> Program {
        let interval = Double(milliseconds) / 1000
        return try Program("redis-cli, repeating", ["redis-cli", "-p", "\(port)", "-r", "-1", "-i", "\(interval)"] + words)
    }

    deinit { program.withLock { $0 }.signal(SIGKILL) }

    package var isRunning: Bool { current.isRunning }

    private var current: Program { program.withLock { $0 } }

    /// Flags of a server that is told another time than the kernel's. The thread that gives memory back waits for moments of that time, and
    /// would wake at once for ever.
    package static let underAnotherClock = ["--jemalloc-bg-thread", "no"]

    private static func launch(
        _ durability: Durability, _ port: Int, in directory: TemporaryDirectory, _ clock: SteppingClock?, _ flags: [String],
        _ tls: TLSFiles?
    ) throws -> Program {
        var command = ["redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--unixsocket", directory.file("redis.sock")]
        command += ["--save", "", "--dir", directory.path, "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"]
        command += ["--appendonly", durability == .memory ? "no" : "yes"] + DocumentedRights.flags
        if durability != .memory { command += ["--appendfsync", durability.rawValue, "--aof-use-rdb-preamble", "no"] }
        if let tls {
            command += ["--port", "0", "--tls-port", "\(port)", "--tls-auth-clients", "no", "--tls-ca-cert-file", tls.authority]
            command += ["--tls-cert-file", tls.certificate, "--tls-key-file", tls.privateKey]
        }
        if clock != nil { command += underAnotherClock }
        return try Program("redis", command + flags, environment: clock?.environment ?? [:])
    }

    private func waitUntilItAnswers() async throws {
        try await current.waitForOutput("The server is now ready to accept connections at")
    }
}
