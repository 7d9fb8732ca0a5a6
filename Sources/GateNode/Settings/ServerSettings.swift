/// One of several servers behind the gate: its tools are shown as `prefix:tool` (F-MULTI-01).
package struct ServerSettings: Sendable, Equatable {
    /// Not empty, unique, without a colon.
    package var prefix: String
    /// Exactly one of `serverCommand` and `remoteUrl` is set.
    package var serverCommand: String?
    package var serverArgs: [String]
    package var remoteUrl: String?

    package init(
        prefix: String, serverCommand: String? = nil, serverArgs: [String] = [], remoteUrl: String? = nil
    ) {
        self.prefix = prefix
        self.serverCommand = serverCommand
        self.serverArgs = serverArgs
        self.remoteUrl = remoteUrl
    }
}
