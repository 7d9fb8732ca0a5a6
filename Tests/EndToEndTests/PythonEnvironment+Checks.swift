// Programs of checks: each says which guarantees it has tried, and how many.

import GateTesting
import Testing

extension PythonEnvironment {
    /// Runs a program of checks and records each that failed; all of them have to be tried.
    /// - Parameter count: how many there are; nil for any number but none.
    func expectAll(_ script: String, _ arguments: [String], count: Int? = nil) async throws {
        let run = try await run(script, arguments)
        let lines = run.output.split(separator: "\n").map { JSON($0.utf8) }
        let checks = lines.compactMap { $0 }.filter { $0["guarantee"] != nil }
        for check in checks where check["failure"] != .null {
            Issue.record("\(check["guarantee"]?.string ?? ""): \(check["failure"]?.string ?? "")")
        }
        #expect(
            lines.last??["done"]?.int == checks.count && !checks.isEmpty && checks.count == count ?? checks.count && run.status == 0,
            "\(run.output.suffix(2000))")
    }
}
