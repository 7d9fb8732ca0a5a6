// A place for the files of one test.

package import Foundation

/// A fresh directory that is removed with its owner.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("gate-test-\(UInt64.random(in: .min ... .max))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes the file and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        let file = file(name)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    package func file(_ name: String) -> String { path + "/" + name }

    package func remove(_ name: String) {
        try? FileManager.default.removeItem(atPath: file(name))
    }

    /// The contents of all files below, for searches.
    package func contents() -> [String: Data] {
        let files = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return files.reduce(into: [:]) { $0[$1] = FileManager.default.contents(atPath: file($1)) }
    }
}
