// Where the things lie that the tests use: the binary, the deployment files, the servers of the tests.

import Foundation

package enum Repository {
    /// The package's own folder.
    package static let root: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 1...3 { url.deleteLastPathComponent() }
        return url.path
    }()

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
