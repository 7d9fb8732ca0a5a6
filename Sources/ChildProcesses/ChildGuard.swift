// The process between the node and a server: it outlives nobody and leaves nobody behind.

import Glibc

/// Runs one command and, when that has ended, ends everything that came of it.
///
/// A process group ends with a signal, but whoever calls `setsid` has left it, and whoever is left by its parent belongs to process 1. The
/// guard is a *subreaper*: all of them become its own children, so it finds them by walking down from itself, however they call
/// themselves. It is a process of its own because orphans of two servers could not be told apart in the node, and because it
/// still does its work when the node is killed: the kernel then sends it the order (`PR_SET_PDEATHSIG`). Cgroups would do the same where the node
/// may make them, which in a container it mostly may not.
package enum ChildGuard {
    /// The order to end everything at once.
    static let order = SIGUSR1

    /// Bytes of `/proc/PID/stat` that tell the parent.
    private static let longestStat = 1_024
    /// Rounds of killing, 5 ms each; a process that makes others faster than it is killed ends with the guard's patience.
    private static let rounds = 400

    /// Stays until the command has ended.
    /// - Parameters:
    ///   - owner: the process that has started the guard; if it is gone already, nothing is run.
    ///   - command: an absolute path and its arguments, the program's own name first.
    /// - Returns: the exit status that this process is to end with; a command that was ended by a signal ends the guard with the same one.
    package static func run(owner: Int32, path: String, _ arguments: [String]) -> CInt {
        guard let wakes = listen() else { return 71 }
        ProcessControl.adoptOrphans()
        ProcessControl.setDeathSignal(order)
        guard getppid() == owner else { return 1 }
        guard let child = ProcessGroup.start(path, arguments) else {
            let reason = "gate-node: '\(path)' cannot be started: \(String(cString: strerror(errno)))\n"
            _ = reason.withCString { write(2, $0, strlen($0)) }
            return 127
        }
        letGoOfStreams()
        var status: CInt?
        while status == nil {
            if hasOrder(from: wakes) { break }
            status = reap(until: child)
        }
        endEverything()
        return end(with: status ?? SIGKILL)
    }

    /// Has signals come as bytes on a pipe, whichever thread of the process they are given to. - Returns: the end to read from.
    private static func listen() -> CInt? {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        wakeup = ends[1]
        // The server gets these too, for it is of the same group, and decides what they mean; it does not inherit that they are ignored.
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE] { Glibc.signal(signal, SIG_IGN) }
        for signal in [order, SIGCHLD] { Glibc.signal(signal) { wake(with: $0) } }
        return ends[0]
    }

    /// Waits for a signal, a second at most. - Returns: whether it was the order.
    private static func hasOrder(from wakes: CInt) -> Bool {
        var ready = pollfd(fd: wakes, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 1_000) > 0 else { return false }
        var signals = [UInt8](repeating: 0, count: 64)
        let count = read(wakes, &signals, signals.count)
        return count > 0 && signals[..<count].contains(UInt8(order))
    }

    /// The end of the server's output is the end of its own descriptors, not of the guard's.
    private static func letGoOfStreams() {
        let nothing = open("/dev/null", O_RDWR)
        guard nothing >= 0 else { return }
        for stream: CInt in 0...2 { dup2(nothing, stream) }
        if nothing > 2 { close(nothing) }
    }

    /// Takes the status of every child that has ended; returns that of the one that is asked for.
    private static func reap(until child: pid_t) -> CInt? {
        var status: CInt = 0
        while true {
            let ended = waitpid(-1, &status, WNOHANG)
            if ended == child { return status }
            guard ended > 0 else { return ended < 0 && errno == ECHILD ? SIGKILL : nil }
        }
    }

    /// Kills what is left, again and again, since its own children may have been made while it was looked for.
    private static func endEverything() {
        for _ in 0..<rounds {
            for process in descendants(of: getpid()) { kill(process, SIGKILL) }
            var status: CInt = 0
            while waitpid(-1, &status, WNOHANG) > 0 {}
            if waitpid(-1, &status, WNOHANG) < 0, errno == ECHILD { return }
            usleep(5_000)
        }
    }

    /// Ends as the command has ended.
    private static func end(with status: CInt) -> CInt {
        let signal = status & 0x7f
        guard signal != 0 else { return (status >> 8) & 0xff }
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        Glibc.signal(signal, SIG_DFL)
        kill(getpid(), signal)
        return 128 + signal
    }

    /// Every process below this one, found by the parents that `/proc` names.
    static func descendants(of root: pid_t) -> [pid_t] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var children: [pid_t: [pid_t]] = [:]
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard let process = pid_t(name), let parent = parent(of: process) else { continue }
            children[parent, default: []].append(process)
        }
        var found: [pid_t] = []
        var waiting = children[root] ?? []
        while let process = waiting.popLast() {
            found.append(process)
            waiting += children[process] ?? []
        }
        return found
    }

    private static func parent(of process: pid_t) -> pid_t? {
        let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        let file = OwnedDescriptor(descriptor)
        var bytes = [UInt8](repeating: 0, count: longestStat)
        let length = read(file.number, &bytes, bytes.count)
        // The name in parentheses may hold anything; state and parent follow the last of them.
        guard length > 0, let name = bytes[..<length].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = String(decoding: bytes[(name + 1)..<length], as: UTF8.self).split(separator: " ", maxSplits: 2)
        return fields.count > 1 ? pid_t(fields[1]) : nil
    }
}

/// Where signals of the guard are written to. It is set before there are any, and a handler may do nothing but this.
nonisolated(unsafe) private var wakeup: CInt = -1

private func wake(with signal: CInt) {
    var byte = UInt8(truncatingIfNeeded: signal)
    let before = errno
    _ = write(wakeup, &byte, 1)
    errno = before
}
