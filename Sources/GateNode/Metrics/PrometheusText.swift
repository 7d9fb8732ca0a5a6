// The text format of Prometheus, 0.0.4.

/// One line of a metric: what is added to its name, its labels, its value.
struct Sample: Sendable {
    var suffix = ""
    var labels: [(name: String, value: String)] = []
    var value: Double

    init(_ value: Double, _ labels: KeyValuePairs<String, String> = [:], suffix: String = "") {
        self.value = value
        self.labels = labels.map { ($0.key, $0.value) }
        self.suffix = suffix
    }

    init(_ value: Int, _ labels: KeyValuePairs<String, String> = [:], suffix: String = "") {
        self.init(Double(value), labels, suffix: suffix)
    }
}

/// Writes metrics within bounds: 10,000 label sets a metric, 5 MiB in all (F-MET-04); what is beyond them is left out, whole lines at a time.
struct PrometheusText {
    static let labelSets = 10_000
    static let capacity = 5 << 20

    private(set) var bytes: [UInt8] = []

    mutating func add(_ name: String, help: String, type: String, _ samples: [Sample]) {
        append("# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(type)\n")
        for sample in samples.prefix(Self.labelSets) {
            append("\(name)\(sample.suffix)\(Self.text(sample.labels)) \(Self.text(sample.value))\n")
        }
    }

    private mutating func append(_ lines: String) {
        guard bytes.count + lines.utf8.count <= Self.capacity else { return }
        bytes += lines.utf8
    }

    /// Labels in the order of their names.
    private static func text(_ labels: [(name: String, value: String)]) -> String {
        if labels.isEmpty { return "" }
        let pairs = labels.sorted { $0.name < $1.name }.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
        return "{\(pairs.joined(separator: ","))}"
    }

    private static func text(_ value: Double) -> String {
        Int(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += #"\\"#
            case "\n": escaped += #"\n"#
            case "\"" where quotes: escaped += #"\""#
            case "\r": escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
