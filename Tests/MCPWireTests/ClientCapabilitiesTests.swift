import MCPWire
import Testing

@Suite("What a client can be asked")
struct ClientCapabilitiesTests {
    @Test(
        "What a client declares a server is told, and nothing that is not known",
        arguments: [
            ("{}", "{}"), ("[]", "{}"), (#"{"sampling":{}}"#, #"{"sampling":{}}"#), (#"{"sampling":true}"#, "{}"),
            (#"{"sampling":{"tools":{},"context":{}}}"#, #"{"sampling":{"tools":{}}}"#),
            (#"{"elicitation":{}}"#, #"{"elicitation":{}}"#), (#"{"elicitation":{"form":{}}}"#, #"{"elicitation":{}}"#),
            (#"{"elicitation":{"url":{}}}"#, #"{"elicitation":{"url":{}}}"#),
            (#"{"elicitation":{"form":{},"url":{}}}"#, #"{"elicitation":{"form":{},"url":{}}}"#),
            (#"{"roots":{"listChanged":true},"experimental":{"x":{}}}"#, #"{"roots":{"listChanged":true}}"#),
            (#"{"roots":{"listChanged":"yes"}}"#, #"{"roots":{}}"#),
        ])
    func declared(_ given: String, _ told: String) throws {
        let capabilities = ClientCapabilities(try JSONValue.parse(Array(given.utf8)))
        #expect(String(decoding: capabilities.json.bytes, as: UTF8.self) == told)
        #expect(ClientCapabilities(rawValue: capabilities.rawValue) == capabilities)
    }
}
