/// Why the node cannot start: one sentence for the operator and the status that the process ends with.
package struct StartupFailure: Error, Sendable, Equatable {
    /// A whole sentence without the program's name, for example "Port 3402 is taken.".
    package let sentence: String
    package let status: ExitStatus

    package init(_ sentence: String, status: ExitStatus) {
        self.sentence = sentence
        self.status = status
    }
}
