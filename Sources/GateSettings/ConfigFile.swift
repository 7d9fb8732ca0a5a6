// The configuration file.

import Foundation
package import MCPWire

/// Reads a file that holds one secret, or lines of them.
enum SecretFile {
    struct Fault: Error {
        /// A whole sentence that names the file and nothing of what is in it.
        let sentence: String
    }

    /// Bytes of a file.
    private static let largest = 65_536

    /// The text without the spaces and line breaks around it.
    static func read(_ path: String) throws(Fault) -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { throw Fault(sentence: "The file \(path) cannot be read.") }
        defer { try? file.close() }
        guard let data = try? file.read(upToCount: largest + 1), data.count <= largest, let text = String(validating: data, as: UTF8.self)
        else { throw Fault(sentence: "The file \(path) must hold text of at most \(largest) bytes.") }
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { throw Fault(sentence: "The file \(path) is empty.") }
        return trimmed
    }
}

/// Reads a configuration file: a JSON object, nothing else.
package enum ConfigFile {
    /// Why a file cannot be used.
    package struct Fault: Error, Equatable {
        /// A whole sentence that names the file.
        package let sentence: String
    }

    /// What a file may begin with when it was saved on Windows.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The object in a file; of several members of one name the last counts.
    /// - Throws: when the file does not exist, cannot be read, is not JSON, or holds anything but an object.
    package static func read(_ path: String) throws(Fault) -> JSONValue {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            let exists = FileManager.default.fileExists(atPath: path)
            throw Fault(sentence: exists ? "\(path) cannot be read." : "\(path) does not exist.")
        }
        return try document(in: Array(data.starts(with: byteOrderMark) ? data.dropFirst(byteOrderMark.count) : data), of: path)
    }

    /// The object in a text.
    /// - Parameter path: what sentences call the text.
    /// - Throws: when it is not JSON or holds anything but an object.
    static func document(in text: [UInt8], of path: String) throws(Fault) -> JSONValue {
        let document: JSONValue
        do throws(JSONFault) {
            document = try JSONValue.parse(text)
        } catch {
            throw Fault(sentence: "\(path) is not valid JSON: \(error.sentence(in: text)).")
        }
        guard case .object = document else { throw Fault(sentence: "\(path) must hold a JSON object.") }
        return document
    }
}
