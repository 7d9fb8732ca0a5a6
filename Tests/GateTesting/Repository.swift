// Where the things lie that the tests use: the binary, the deployment files, the servers of the tests.

import Foundation

package enum Repository {
    /// The package's own folder.
    package static let root: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 1...3 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// Whether other users may come to the binary, the servers and the tests' own files: who runs a process as somebody else needs it.
    package static let isOpenToOthers: Bool = [server("hostile_stdio_server.py"), binary, NSTemporaryDirectory()].allSatisfy { path in
        sequence(first: URL(fileURLWithPath: path).resolvingSymlinksInPath()) { $0.path == "/" ? nil : $0.deletingLastPathComponent() }
            .allSatisfy { place in
                let mode = try? FileManager.default.attributesOfItem(atPath: place.path)[.posixPermissions] as? Int
                return (mode ?? 0) & (place.path == path ? 0o004 : 0o001) != 0
            }
    }

    package static func file(_ path: String) -> String { root + "/" + path }

    /// A server that only tests use.
    package static func server(_ name: String) -> String { file("Tests/EndToEndTests/Servers/\(name)") }

    /// The real binary: `GATE_NODE_BINARY`, or the one that was built beside the tests.
    package static let binary: String =
        ProcessInfo.processInfo.environment["GATE_NODE_BINARY"]
        ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("gate-node")
        .path
}

/// Tests that take minutes run with `LONG_TESTS=1` only.
package let longTestsAreWanted = ProcessInfo.processInfo.environment["LONG_TESTS"] == "1"
