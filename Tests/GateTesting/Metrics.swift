// The Prometheus text of one node as numbers.

package struct Metrics: Sendable {
    private let samples: [(name: Substring, labels: Substring, value: Double)]

    init(_ text: String) {
        samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { return nil }
            let series = line[..<space]
            let brace = series.firstIndex(of: "{") ?? series.endIndex
            return (series[..<brace], series[brace...], value)
        }
    }

    /// The sum over all series of the metric whose labels contain each of these, written `name="value"`.
    package func sum(_ name: String, _ labels: String...) -> Int {
        Int(
            samples.filter { sample in sample.name == name && labels.allSatisfy { sample.labels.contains($0) } }.reduce(0) { $0 + $1.value }
        )
    }
}
