// Finds the file behind a command before anything is spawned, so that a typing error is a clear sentence.

import Glibc

extension ChildCommand {
    /// The program to execute and its arguments, the program's own name first.
    struct Resolved: Equatable {
        var path: String
        var arguments: [String]
    }

    /// Resolves the command, and puts `setpriv --pdeathsig` before it where util-linux is installed.
    func resolved() throws(ChildProcessFailure) -> Resolved {
        if let workingDirectory, FileKind(at: workingDirectory) != .directory {
            throw .noWorkingDirectory(workingDirectory)
        }
        let command = try launched()
        guard let guardian else { return command }
        return Resolved(path: guardian, arguments: ["gate-node", "guard", "\(getpid())", command.path] + command.arguments)
    }

    private func launched() throws(ChildProcessFailure) -> Resolved {
        let path = try resolvedPath()
        let launcher = try? ChildCommand("setpriv").resolvedPath()
        if let user { try check(user, launcher) }
        guard let launcher else { return Resolved(path: path, arguments: [executable] + arguments) }
        let identity = user.map { ["--reuid", $0, "--regid", "\(SystemUser(named: $0)?.group ?? 0)", "--init-groups"] } ?? []
        return Resolved(
            path: launcher,
            arguments: ["setpriv"] + identity + ["--pdeathsig", deathSignal.rawValue, "--", path] + arguments
        )
    }

    private func check(_ user: String, _ launcher: String?) throws(ChildProcessFailure) {
        guard SystemUser(named: user) != nil else { throw .noUser(user) }
        guard geteuid() == 0 else { throw .notRoot(user) }
        guard launcher != nil else { throw .commandNotFound("setpriv") }
    }

    /// - Throws: if it cannot be launched as it is written: there is no such command, directory or user.
    package func check() throws(ChildProcessFailure) { _ = try resolved() }

    /// The absolute path of the executable.
    /// - Throws: `notExecutable` or `commandNotFound`; nothing has been started.
    package func resolvedPath() throws(ChildProcessFailure) -> String {
        var refused: String?
        for candidate in candidates {
            switch FileKind(at: candidate) {
            case .executable: return candidate
            case .directory, .other: refused = refused ?? candidate
            case .missing: continue
            }
        }
        if let refused { throw .notExecutable(refused) }
        throw .commandNotFound(executable)
    }

    private var candidates: [String] {
        if executable.isEmpty { return [] }
        if executable.contains("/") { return [absolute(executable)] }
        let path = environment?["PATH"] ?? getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { absolute("\($0)/\(executable)") }
    }

    private func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        let base = workingDirectory ?? "."
        return AbsolutePath.of(base) + "/" + path
    }
}

/// A user of this system.
package struct SystemUser {
    /// As the system's list of users has it.
    package let name: String
    /// The directory that is the user's own, an absolute path.
    package let home: String
    /// The program that the user's logins start.
    package let shell: String
    let group: gid_t

    /// Nil if there is none of this name.
    package init?(named name: String) {
        // Only called while a child is prepared, one at a time or before there are any; the memory is the C library's.
        guard let entry = getpwnam(name)?.pointee else { return nil }
        self.name = name
        home = String(cString: entry.pw_dir)
        shell = String(cString: entry.pw_shell)
        group = entry.pw_gid
    }
}

/// What a path names, as far as launching a program is concerned.
package enum FileKind {
    /// A regular file that this process may execute.
    case executable
    /// A directory.
    case directory
    /// Something else, or a regular file that may not be executed.
    case other
    /// Nothing that this process may look at.
    case missing

    /// Looks at what there is at this moment, following links.
    package init(at path: String) {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            self = .missing
            return
        }
        switch facts.st_mode & S_IFMT {
        case S_IFDIR: self = .directory
        case S_IFREG where access(path, X_OK) == 0: self = .executable
        default: self = .other
        }
    }
}

/// Makes a path independent of the working directory, which a child may change.
package enum AbsolutePath {
    /// The path itself when it is absolute, else the path below the node's working directory.
    package static func of(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        let base = String(cString: current)
        return path == "." ? base : "\(base)/\(path)"
    }
}
