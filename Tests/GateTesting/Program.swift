// A real process of a test: started, signalled by its id, its output kept.

import Foundation
import Glibc
import Synchronization

/// Its standard output and standard error go to one file, which is shown when a test fails.
package final class Program: Sendable {
    package let name: String
    private let process: Process
    private let directory: TemporaryDirectory
    private let shown = Atomic<Int>(0)
    /// As the kernel has told it once. Foundation takes it away from there a moment before it says so itself.
    private let ended = Mutex<Int32?>(nil)

    package init(_ name: String, _ command: [String], environment: [String: String] = [:], in workingDirectory: String? = nil) throws {
        self.name = name
        directory = try TemporaryDirectory()
        try directory.write("", to: "log")
        guard let output = FileHandle(forWritingAtPath: directory.file("log")) else { throw KitFailure("no log for \(name)") }
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PAYGATE_") }.merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: workingDirectory ?? directory.path)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try output.close()
        LivePrograms.add(self)
    }

    package var processIdentifier: Int32 { process.processIdentifier }
    package var isRunning: Bool { exitStatus == nil }
    package var log: String { Self.text(ofFile: directory.file("log")) }
    /// The same, byte for byte.
    package var output: [UInt8] { FileManager.default.contents(atPath: directory.file("log")).map { Array($0) } ?? [] }

    /// Exit status, negative for the signal that ended it, nil while it runs.
    package var exitStatus: Int32? {
        if let status = ended.withLock(\.self) { return status }
        guard process.isRunning else {
            return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        }
        // Foundation waits for the end of a socket that grandchildren may hold; the kernel knows better.
        var ending = siginfo_t()
        guard waitid(P_PID, id_t(processIdentifier), &ending, WEXITED | WNOHANG | WNOWAIT) == 0, ending.si_signo == SIGCHLD else {
            return nil
        }
        let number = ending._sifields._sigchld.si_status
        let status = ending.si_code == CLD_EXITED ? number : -number
        ended.withLock { $0 = status }
        return status
    }

    package func signal(_ signal: Int32) {
        if isRunning { kill(processIdentifier, signal) }
    }

    /// Ends it at once and waits until it is gone.
    /// - Throws: `KitFailure` when it is still there after ten seconds.
    package func kill9() async throws {
        signal(SIGCONT)
        signal(SIGKILL)
        guard try await waitForExit(within: .seconds(10)) != nil else { throw KitFailure("\(name) does not end:\n\(log)") }
    }

    /// Waits for the end and returns the exit status, nil if it still runs at the deadline.
    package func waitForExit(within limit: Duration) async throws -> Int32? {
        let deadline = ContinuousClock.now + limit.patiently
        while isRunning, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(2)) }
        let status = exitStatus
        if status != nil { LivePrograms.remove(self) }
        return status
    }

    /// Waits until its output contains the text; an early end is a failure.
    package func waitForOutput(_ text: String, within limit: Duration = .seconds(20)) async throws {
        let deadline = ContinuousClock.now + limit.patiently
        while !log.contains(text) {
            guard isRunning else { throw KitFailure("\(name) ended with \(exitStatus ?? 0) before it printed “\(text)”:\n\(log)") }
            guard ContinuousClock.now < deadline else { throw KitFailure("\(name) did not print “\(text)” within \(limit):\n\(log)") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// What it printed since the last time that this was asked, the last lines of it.
    func newLines(atMost count: Int) -> [Substring] {
        let log = log
        let before = shown.exchange(log.utf8.count, ordering: .relaxed)
        return log.utf8.dropFirst(before).suffix(64_000).split(separator: UInt8(ascii: "\n")).suffix(count).map { Substring($0) }
    }

    /// Kilobytes of resident memory.
    package var residentKilobytes: Int { statusField("VmRSS") }
    /// The most of it since the start, or since `forgetPeak`.
    package var peakKilobytes: Int { statusField("VmHWM") }
    package func forgetPeak() throws { try "5".write(toFile: "/proc/\(processIdentifier)/clear_refs", atomically: false, encoding: .utf8) }

    private func statusField(_ name: String) -> Int {
        let line = Self.text(ofFile: "/proc/\(processIdentifier)/status").split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line.flatMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first }.flatMap { Int($0) } ?? 0
    }

    /// Open file descriptors.
    package var descriptors: Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processIdentifier)/fd").count) ?? 0 }

    /// The processes that it has started, and those that they have started, that still run.
    package var children: [Int32] {
        var found: [Int32] = []
        var waiting = Self.children(of: processIdentifier)
        while let child = waiting.popLast() {
            found.append(child)
            waiting += Self.children(of: child)
        }
        return found
    }

    private static func children(of process: Int32) -> [Int32] {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
        return threads.flatMap { thread in
            text(ofFile: "/proc/\(process)/task/\(thread)/children").split(separator: " ").compactMap { Int32($0) }
        }
    }

    /// Stops what it has started, or lets it go on; both keep all that is sent to them meanwhile.
    package func signalChildren(_ signal: Int32) {
        for child in children { kill(child, signal) }
    }

    /// Whether a process runs; a zombie does not.
    package static func isAlive(_ processIdentifier: Int32) -> Bool {
        let state = text(ofFile: "/proc/\(processIdentifier)/stat").split(separator: ")").last?.split(separator: " ").first
        return state != nil && state != "Z"
    }

    /// What every user of the machine may read of a process, its arguments one after another.
    package static func commandLine(of processIdentifier: Int32) -> String {
        text(ofFile: "/proc/\(processIdentifier)/cmdline").replacing("\0", with: " ")
    }

    static func text(ofFile path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
}

/// Every program that runs: none outlives the tests, and each shows what it printed when a test fails.
enum LivePrograms {
    private static let all = Mutex<[Program]>([])
    private static let endThemWithTheTests: Void = {
        atexit { LivePrograms.kill() }
    }()

    /// Ends them all; what waits for an answer of theirs gets none.
    static func kill() { all.withLock { $0 }.forEach { $0.signal(SIGKILL) } }

    static func add(_ program: Program) {
        _ = endThemWithTheTests
        all.withLock { $0.append(program) }
    }

    static func remove(_ program: Program) {
        all.withLock { $0.removeAll { $0 === program } }
    }

    static var newOutput: [String] {
        all.withLock { $0 }.compactMap { program in
            let lines = program.newLines(atMost: 30)
            return lines.isEmpty ? nil : "\(program.name) printed:\n" + lines.joined(separator: "\n")
        }
    }
}
