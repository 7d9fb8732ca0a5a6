// The headers of every answer as values: what the front handler renders and the router sets.

@testable import GateNode
@testable import GateSettings
import Testing

@Suite("The headers of every answer")
struct ResponseHeadersTests {
    @Test("F-HDR-14: no header is there twice, and a custom one never has a name of ours, however it is spelled")
    func custom() {
        var settings = Settings()
        let ours = [
            "X-Frame-Options", "x-paygate-version", "X-REQUEST-ID", "Vary", "Access-Control-Max-Age", "X-RateLimit-Limit", "Retry-After",
        ]
        settings.customHeaders = ours.map { CustomHeader(name: $0, value: "theirs") } + [CustomHeader(name: "X-Own", value: "mine")]
        let headers = ResponseHeaders(settings)
        let names = headers.fixed.map { $0.name.lowercased() }
        #expect(Set(names).count == names.count && names.contains("x-own"))
        #expect(!headers.fixed.contains { $0.value == "theirs" })
    }

    @Test("F-HDR-17: every origin by default, without Vary; a listed one by its own name, with it")
    func origins() {
        var settings = Settings()
        let open = ResponseHeaders(settings)
        #expect(!open.variesByOrigin && open.cors(for: "https://a.example").isEmpty)
        #expect(open.fixed.contains { $0 == ("access-control-allow-origin", "*") })

        settings.cors.origin = .listed(["https://a.example", "https://b.example"])
        let listed = ResponseHeaders(settings)
        #expect(listed.variesByOrigin && !listed.fixed.contains { $0.name.hasPrefix("access-control") })
        #expect(listed.cors(for: "https://b.example").contains { $0 == ("access-control-allow-origin", "https://b.example") })
        for stranger in [nil, "https://c.example", "https://a.example:8080"] {
            #expect(listed.cors(for: stranger).map(\.name) == ["vary"])
        }
    }
}
