// A metric as a value: its name, what it means, and how it is read off the node's figures.

import ClusterState

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

    static func histogram(_ name: String, _ help: String, _ read: @escaping @Sendable (NodeFigures) -> Histogram) -> Metric {
        Metric(name: "paygate_" + name, type: "histogram", help: help) { read($0).samples }
    }

    /// A histogram of each of several, by one label.
    static func histograms(
        _ name: String, _ help: String, by label: String, _ read: @escaping @Sendable (NodeFigures) -> [String: AnswerTimes]
    ) -> Metric {
        Metric(name: "paygate_" + name, type: "histogram", help: help) { figures in
            read(figures).sorted { $0.key < $1.key }.flatMap { $0.value.samples(label, $0.key) }
        }
    }

    static func summary(_ name: String, _ help: String, _ read: @escaping Reading) -> Metric {
        Metric(name: "paygate_" + name, type: "summary", help: help, read: read)
    }
}

extension AnswerTimes {
    /// Cumulative buckets in seconds, the sum and the count.
    fileprivate func samples(_ label: String, _ value: String) -> [Sample] {
        var reached = 0
        var samples: [Sample] = []
        for (bound, count) in zip(Self.bounds, buckets) {
            reached += count
            samples.append(Sample(reached, [label: value, "le": "\(Double(bound) / 1e9)"], suffix: "_bucket"))
        }
        return samples + [
            Sample(count, [label: value, "le": "+Inf"], suffix: "_bucket"),
            Sample(Double(nanoseconds) / 1e9, [label: value], suffix: "_sum"), Sample(count, [label: value], suffix: "_count"),
        ]
    }
}

extension Histogram {
    /// Cumulative buckets in seconds, the sum and the count.
    fileprivate var samples: [Sample] {
        var reached = 0
        var samples: [Sample] = []
        for (bound, count) in zip(Self.bounds, buckets) {
            reached += count
            samples.append(Sample(reached, ["le": "\(Double(bound) / 1_000_000)"], suffix: "_bucket"))
        }
        return samples + [
            Sample(count, ["le": "+Inf"], suffix: "_bucket"), Sample(Double(sumMicroseconds) / 1_000_000, suffix: "_sum"),
            Sample(count, suffix: "_count"),
        ]
    }
}

extension [String: Int] {
    /// One sample an entry, the entry's name as this label.
    func samples(by label: String) -> [Sample] {
        sorted { $0.key < $1.key }.map { Sample($0.value, [label: $0.key]) }
    }
}
