import GateDomain
import Testing

@Suite("Countries")
struct CountryAccessTests {
    @Test("F-GEO-01, F-GEO-03: the deny list wins, an allow list lets nobody pass whose country is not known")
    func refusals() {
        let lists = CountryAccess(allowed: ["DE", "FR"], denied: ["FR"])
        #expect(lists.refusal(from: "DE") == nil)
        #expect(lists.refusal(from: "FR") == .countryDenied("FR"))
        #expect(lists.refusal(from: "US") == .countryNotAllowed("US"))
        #expect(lists.refusal(from: nil) == .countryNotAllowed(nil))
        #expect(CountryAccess(denied: ["FR"]).refusal(from: nil) == nil)
        #expect(CountryAccess().refusal(from: nil) == nil && CountryAccess().isEmpty)
    }

    @Test(
        "F-GEO-02: a country is two letters in either case; anything else is none",
        arguments: [
            ("DE", "DE"), ("de", "DE"), (" de\t", "DE"), ("", nil), ("D", nil), ("DEU", nil), ("D E", nil), ("T1", nil), ("ß", nil),
            ("DE,FR", nil),
            ("DE" + String(repeating: " ", count: 100_000), nil), ("D\u{301}E", nil),
        ] as [(String, String?)])
    func codes(_ text: String, _ code: String?) {
        #expect(CountryAccess.code(text) == code)
    }
}
