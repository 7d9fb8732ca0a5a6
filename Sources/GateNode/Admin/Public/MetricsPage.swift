// GET /metrics.

import ClusterState
import GateValues
import HTTPTypes

/// The metrics of a node as one text.
enum MetricsPage {
    static func render(_ figures: NodeFigures) -> [UInt8] {
        var exposition = PrometheusText()
        for metric in Metric.all { exposition.add(metric.name, help: metric.help, type: metric.type, metric.read(figures)) }
        return exposition.bytes
    }
}

extension Endpoint {
    static let metrics = Endpoint(
        .get, "/metrics", "Read the node's metrics in the text format of Prometheus.", for: .anyone, answer: .string,
        media: [MediaType.exposition]
    ) { request in
        EndpointResponse(MetricsPage.render(await request.figures()), type: MediaType.exposition)
    }
}
