// The commands of the binary that look after a store.

extension Program {
    /// Runs `gate-node store check`, with the rights that it is documented to need unless variables name another user.
    /// - Returns: how it ended, and what it has printed.
    package static func storeCheck(
        _ arguments: String..., environment: [String: String] = [:]
    ) async throws -> (status: Int32?, text: String) {
        let program = try Program(
            "store check", [Repository.binary, "store", "check"] + arguments,
            environment: DocumentedRights.check.environment(with: arguments).merging(environment) { $1 })
        let status = try await program.waitForExit(within: .seconds(60))
        let text = program.log
        try await program.kill9()
        return (status, text)
    }

    /// Begins `gate-node store move`, with the rights that it is documented to need.
    package static func storeMove(_ arguments: String...) throws -> Program {
        try Program(
            "store move", [Repository.binary, "store", "move"] + arguments, environment: DocumentedRights.move.environment(with: arguments))
    }
}
