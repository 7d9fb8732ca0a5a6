// Event streams as tests read them: independent of the product's own parser.

import GateTesting

/// The messages of an event stream.
struct EventStreamText {
    let events: [(name: String?, id: String?, message: JSON?)]

    init(_ text: String) {
        events = text.replacing("\r\n", with: "\n").split(separator: "\n\n").compactMap { block in
            let fields = block.split(separator: "\n").filter { !$0.hasPrefix(":") }.map { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (name: parts[0], value: parts.count > 1 ? parts[1].trimmingPrefix(" ") : "")
            }
            guard !fields.isEmpty else { return nil }
            let value = { (name: String) in fields.first { $0.name == name }.map { String($0.value) } }
            let data = fields.filter { $0.name == "data" }.map { String($0.value) }.joined(separator: "\n")
            return (value("event"), value("id"), JSON(data.utf8))
        }
    }
}
