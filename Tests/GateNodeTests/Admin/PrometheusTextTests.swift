// The text format of the metrics, and CSV.

@testable import GateNode
@testable import GateValues
import GateDomain
import NIOCore
import Testing

@Suite("Texts for machines")
struct PrometheusTextTests {
    private func text(_ exposition: PrometheusText) -> String { String(decoding: exposition.bytes, as: UTF8.self) }

    @Test("F-MET-04: labels are sorted and escaped, a line stays a line")
    func format() {
        var exposition = PrometheusText()
        exposition.add("m_total", help: "What\nit \\ is", type: "counter", [Sample(3, ["z": "1", "a": "q\"\\\n\rx"]), Sample(0.25)])
        #expect(
            text(exposition)
                == "# HELP m_total What\\nit \\\\ is\n# TYPE m_total counter\nm_total{a=\"q\\\"\\\\\\n x\",z=\"1\"} 3\nm_total 0.25\n")
    }

    @Test("F-MET-04: at most 10,000 label sets a metric and 5 MiB in all, whole lines at a time")
    func bounds() {
        var exposition = PrometheusText()
        let samples = (0..<10_001).map { Sample($0, ["tool": "t\($0)"]) }
        exposition.add("m", help: "h", type: "gauge", samples)
        #expect(text(exposition).split(separator: "\n").count == 10_002)
        let wide = (0..<10_000).map { Sample($0, ["tool": String(repeating: "x", count: 1000)]) }
        for _ in 0..<3 { exposition.add("wide", help: "h", type: "gauge", wide) }
        #expect(exposition.bytes.count <= 5 << 20 && exposition.bytes.last == UInt8(ascii: "\n"))
    }

    @Test("a histogram is cumulative, in seconds, and ends with +Inf, sum and count")
    func histogram() throws {
        var figures = NodeFigures()
        for milliseconds in [1, 3, 3, 20_000] { figures.gate.upstreamLatency.record(Int64(milliseconds) * 1_000_000) }
        let page = String(decoding: MetricsPage.render(figures), as: UTF8.self)
        for line in [
            #"paygate_upstream_seconds_bucket{le="0.001"} 1"#, #"paygate_upstream_seconds_bucket{le="0.005"} 3"#,
            #"paygate_upstream_seconds_bucket{le="10.0"} 3"#, #"paygate_upstream_seconds_bucket{le="+Inf"} 4"#,
            "paygate_upstream_seconds_count 4",
            "paygate_upstream_seconds_sum 20.007",
        ] { #expect(page.contains(line + "\n"), "\(line)") }
    }

    @Test(
        "X36: a CSV value is quoted, and no formula for a spreadsheet; numbers stay numbers",
        arguments: [
            ("plain", #""plain""#), (#"a"b"#, #""a""b""#), ("=cmd()", #""'=cmd()""#), ("+1", #""+1""#), ("-2+3", #""'-2+3""#),
            ("@x", #""'@x""#), ("\tx", "\"'\tx\""), ("", #""""#),
        ])
    func csv(_ value: String, _ cell: String) {
        var text = CSVText.head(["c"])
        CSVText.append([value], to: &text)
        #expect(String(decoding: text, as: UTF8.self) == "c\r\n\(cell)\r\n")
    }
}
