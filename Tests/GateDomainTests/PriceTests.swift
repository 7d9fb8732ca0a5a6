import GateDomain
import Testing

@Suite("Prices")
struct PriceTests {
    static let book = PriceBook(
        defaultPerCall: 1,
        tools: [
            "kb": ToolPrice(creditsPerCall: 2, creditsPerKbInput: 5), "out": ToolPrice(creditsPerCall: 0, creditsPerKbOutput: 3),
            "free": ToolPrice(creditsPerCall: 0),
        ])

    @Test(
        "F-PRICE-03: 3 KB at 2 + 5 per KB cost 17, and a small input counts as one KB (X-19)",
        arguments: [
            (3 * 1024, 17), (10, 7), (1024, 7), (1025, 8), (0, 2),
        ])
    func input(bytes: Int, price: Int) {
        #expect(Self.book.price(of: "kb", argumentBytes: bytes) == price)
    }

    @Test("F-PRICE-05: the surcharge is the ceiling of KB out x price", arguments: [(1024, 3), (1, 1), (0, 0), (2049, 7)])
    func output(bytes: Int, credits: Int) {
        #expect(Self.book.surcharge(of: "out", answerBytes: bytes) == credits)
    }

    @Test("a price of zero stays zero, and a tool without one has the default")
    func zero() {
        #expect(Self.book.price(of: "free", argumentBytes: 9) == 0)
        #expect(Self.book.price(of: "other", argumentBytes: 9) == 1)
        #expect(Self.book.row(for: "free").isFree)
        #expect(Self.book.row(for: "kb").pricingModel == "dynamic")
    }
}
