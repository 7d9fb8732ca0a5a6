import Foundation

/// Reads a configuration file: a JSON object, nothing else.
package enum ConfigFile {
    package struct Fault: Error, Equatable {
        /// Whole sentences that name the file.
        package let sentence: String
    }

    package static func read(_ path: String) throws(Fault) -> JSONDocument {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            let exists = FileManager.default.fileExists(atPath: path)
            throw Fault(sentence: exists ? "\(path) cannot be read." : "\(path) does not exist.")
        }
        guard let document = try? JSONDecoder().decode(JSONDocument.self, from: data) else {
            throw Fault(sentence: "\(path) is not valid JSON\(reason(data)).")
        }
        guard case .object = document else { throw Fault(sentence: "\(path) must hold a JSON object.") }
        return document
    }

    /// What is wrong with the text; the decoder does not say, the older parser does.
    private static func reason(_ data: Data) -> String {
        do {
            _ = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
            return ""
        } catch {
            guard let text = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String else { return "" }
            return ": " + text.prefix(1).lowercased() + text.dropFirst().prefix { $0 != "." }
        }
    }
}
