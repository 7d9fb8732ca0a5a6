// The MCP servers that stand behind the gates of a test.

/// What `wrap` is told to wrap.
package enum Upstream: Sendable {
    /// The product's own server on standard input and output: echo, add, slow, fail, big.
    case demo
    /// A server on standard input and output that writes down every call that it runs; see `Recording`.
    case recording(Recording)
    /// Any other server on standard input and output, as a command line.
    case command(String)
    /// A server that is reached over HTTP.
    case remote(String)
    /// What the test's own config file names.
    case configured

    var flags: [String] {
        switch self {
        case .demo: ["--server", "\(Repository.binary) demo-server"]
        case .recording(let recording): ["--server", "python3 \(Repository.server("recording_server.py")) \(recording.directory.path)"]
        case .command(let command): ["--server", command]
        case .remote(let url): ["--remote-url", url]
        case .configured: []
        }
    }
}

/// The notes of all processes of a recording server: what was really executed, and how often it was started.
package final class Recording: Sendable {
    let directory: TemporaryDirectory

    package init() throws {
        directory = try TemporaryDirectory()
        try directory.write("", to: "calls")
        try directory.write("", to: "starts")
    }

    /// The `text` of every executed call of `note` and `wait`, in order.
    package var calls: [String] { lines("calls") }
    /// Seconds since 1970 of every start of a process.
    package var starts: [Double] { lines("starts").compactMap(Double.init) }

    /// While set, every new process of the server ends before it has answered anything.
    package func crashAtStart(_ wanted: Bool) throws {
        if wanted { try directory.write("", to: "crash") } else { directory.remove("crash") }
    }

    private func lines(_ name: String) -> [String] {
        Program.text(ofFile: directory.file(name)).split(separator: "\n").map(String.init)
    }
}
