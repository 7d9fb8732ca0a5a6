// Makes a path independent of the working directory, which a child may change.

import Glibc

enum AbsolutePath {
    /// The path itself when it is absolute, else the path below the node's working directory.
    static func of(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        let base = String(cString: current)
        return path == "." ? base : "\(base)/\(path)"
    }
}
