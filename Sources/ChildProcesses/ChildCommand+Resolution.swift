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
        let path = try resolvedPath()
        guard let launcher = try? ChildCommand("setpriv").resolvedPath() else {
            return Resolved(path: path, arguments: [executable] + arguments)
        }
        return Resolved(
            path: launcher,
            arguments: ["setpriv", "--pdeathsig", deathSignal.rawValue, "--", path] + arguments
        )
    }

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
