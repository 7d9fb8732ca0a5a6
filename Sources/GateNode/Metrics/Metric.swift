// A metric as a value: its name, what it means, and how it is read off the node's figures.

import ClusterState
import GateDomain

/// One row of the table of metrics (docs/architecture.md, rule 7).
struct Metric: Sendable {
    typealias Reading = @Sendable (NodeFigures) -> [Sample]

    let name: String
    let type: String
    let help: String
    let read: Reading
}

extension Metric {
    static func counter(_ name: String, _ help: String, _ read: @escaping Reading) -> Metric {
        Metric(name: "paygate_" + name, type: "counter", help: help, read: read)
    }

    /// A counter without labels.
    static func count(_ name: String, _ help: String, _ read: @escaping @Sendable (NodeFigures) -> Int) -> Metric {
        counter(name, help) { [Sample(read($0))] }
    }

    static func gauge(_ name: String, _ help: String, _ read: @escaping Reading) -> Metric {
        Metric(name: "paygate_" + name, type: "gauge", help: help, read: read)
    }

    /// A gauge without labels.
    static func level(_ name: String, _ help: String, _ read: @escaping @Sendable (NodeFigures) -> Int) -> Metric {
        gauge(name, help) { [Sample(read($0))] }
    }

    static func histogram(_ name: String, _ help: String, _ read: @escaping @Sendable (NodeFigures) -> TimeHistogram) -> Metric {
        Metric(name: "paygate_" + name, type: "histogram", help: help) { read($0).samples() }
    }

    /// A histogram of each of several, by one label.
    static func histograms(
        _ name: String, _ help: String, by label: String, _ read: @escaping @Sendable (NodeFigures) -> [String: TimeHistogram]
    ) -> Metric {
        Metric(name: "paygate_" + name, type: "histogram", help: help) { figures in
            read(figures).sorted { $0.key < $1.key }.flatMap { $0.value.samples((label, $0.key)) }
        }
    }

    static func summary(_ name: String, _ help: String, _ read: @escaping Reading) -> Metric {
        Metric(name: "paygate_" + name, type: "summary", help: help, read: read)
    }
}

extension TimeHistogram {
    /// Cumulative buckets in seconds, the sum and the count, all with this label where there is one.
    fileprivate func samples(_ label: (name: String, value: String)? = nil) -> [Sample] {
        func sample(_ value: Double, _ suffix: String, upTo bound: String? = nil) -> Sample {
            var sample = Sample(value, suffix: suffix)
            sample.labels = [label, bound.map { ("le", $0) }].compactMap(\.self)
            return sample
        }
        var reached = 0
        let bounds = Self.bounds.map { "\(Double($0) / 1e9)" } + ["+Inf"]
        let all = zip(buckets, bounds).map { count, bound in
            reached += count
            return sample(Double(reached), "_bucket", upTo: bound)
        }
        return all + [sample(Double(nanoseconds) / 1e9, "_sum"), sample(Double(count), "_count")]
    }
}

extension [String: Int] {
    /// One sample an entry, the entry's name as this label.
    func samples(by label: String) -> [Sample] {
        sorted { $0.key < $1.key }.map { Sample($0.value, [label: $0.key]) }
    }
}
