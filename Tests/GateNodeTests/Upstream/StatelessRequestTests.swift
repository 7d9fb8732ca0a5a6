// Requests to servers of 2026-07-28: what they say of themselves, in their bodies and in their heads.

import GateTesting
import MCPWire
import NIOCore
import Testing

@testable import MCPUpstream

@Suite("A request that says everything itself") struct StatelessRequestTests {
    private static let own =
        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"n"}"#

    private static func request(_ message: String, mirrored: [MirroredArgument] = [], forwarded: [(name: String, value: String)] = [])
        -> StatelessRequest
    {
        let description = StatelessMeta.Description(capabilities: Array(#"{"roots":{}}"#.utf8), clientInfo: Array(#"{"name":"n"}"#.utf8))
        return StatelessRequest(ByteBuffer(string: message), number: 7, as: description, mirrored: mirrored, forwarded: forwarded)
    }

    @Test(
        "describes itself whatever its params are, once, and keeps what else its _meta says",
        arguments: [
            (#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#, #","params":{META}}}"#),
            (#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{ }}"#, #","params":{META} }}"#),
            (#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":null}"#, #","params":{META}}}"#),
            (#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":3,"cursor":"c"}}"#, #","params":{META},"cursor":"c"}}"#),
            (
                #"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"a":1,"progressToken":5,"io.modelcontextprotocol/protocolVersion":"x","io.modelcontextprotocol/logLevel":"debug"}}}"#,
                #","params":{META,"a":1,"progressToken":7}}}"#
            ),
        ])
    func descriptions(_ message: String, _ expected: String) {
        let described = String(buffer: Self.request(message).bytes)
        #expect(described == #"{"jsonrpc":"2.0","id":7,"method":"tools/list""# + expected.replacing("META", with: Self.own))
    }

    @Test(
        "repeats its method, its name and declared arguments in its head; what is no plain text as base64, and what the list knows never as the client has written it"
    )
    func heads() throws {
        let schema = try JSONValue.parse(
            Array(
                #"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A"},"n":{"type":"integer","x-mcp-header":"N"},"gone":{"type":"boolean","x-mcp-header":"Gone"}}}"#
                    .utf8))
        let message = #"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"tool é","arguments":{"a":" x","n":3.0}}}"#
        let request = Self.request(
            message, mirrored: MirroredArgument.declared(by: schema),
            forwarded: [("mcp-param-a", "forged"), ("Mcp-Param-Other", "kept"), ("Mcp-Param-Split", "x\r\nevil: 1")])
        let lines = String(buffer: request.fields).split(separator: "\r\n").map(String.init)
        #expect(
            Set(lines) == [
                "mcp-method: tools/call", "mcp-name: =?base64?dG9vbCDDqQ==?=", "Mcp-Param-Other: kept", "Mcp-Param-Split: xevil: 1",
                "Mcp-Param-A: =?base64?IHg=?=", "Mcp-Param-N: 3",
            ], "\(lines)")
    }

    @Test(
        "says nothing of rounds that its client has written, by whatever spelling; a task's own answers go on, and a round's stand alone",
        arguments: [
            (#"{"requestState":"s","name":"t","inputResponses":{}}"#, #"{META"name":"t"}"#),
            (#"{"name":"t","request\u0053tate":"s","a":{"requestState":1}}"#, #"{META"name":"t","a":{"requestState":1}}"#),
            (#"{"inputResponses":{},"requestState":"s"}"#, "{META}"),
            (#"{ "name" : "\\" }"#, #"{META "name" : "\\" }"#),
        ])
    func foreignRounds(_ params: String, _ expected: String) {
        let head = #"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"#
        let comma = expected == "{META}" ? "" : ","
        let described = String(buffer: Self.request(head + params + "}").bytes)
        #expect(described == head + expected.replacing("META", with: Self.own + "}" + comma) + "}")
    }

    @Test("a task's own answers go on as its client has given them, and those of a round stand alone")
    func tasks() {
        let request = Self.request(
            #"{"jsonrpc":"2.0","id":7,"method":"tasks/update","params":{"taskId":"t","inputResponses":{"a":{}},"requestState":"mine"}}"#)
        #expect(String(buffer: request.bytes).contains(#""taskId":"t","inputResponses":{"a":{}},"requestState":"mine""#))
        let round = String(buffer: request.round(number: 8, state: Array(#""s""#.utf8), responses: []))
        #expect(
            round.contains(#""requestState":"s""#) && !round.contains("mine") && round.contains(#""inputResponses":{"a":{}}"#), "\(round)")
    }

    @Test("a later round has another number, the answers and the state, and all else as before")
    func rounds() {
        let request = Self.request(#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":7}}}"#)
        let round = request.round(
            number: 12, state: Array(#""s\n""#.utf8), responses: [("a", Array(#"{"x":1}"#.utf8)), ("b", Array("{}".utf8))])
        #expect(
            String(buffer: round)
                == #"{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"inputResponses":{"a":{"x":1},"b":{}},"requestState":"s\n","name":"t","#
                + Self.own + #","progressToken":12}}}"#)
        #expect(String(buffer: request.round(number: 9, state: nil, responses: [])).contains(#""id":9,"#))
    }

    @Test(
        "a server is of the era that its answer to server/discover says, and of that with sessions if it says nothing",
        arguments: [
            (#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-11-25","2026-07-28"]}}"#, true),
            (#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-11-25"]}}"#, false),
            (#"{"jsonrpc":"2.0","id":1,"result":true}"#, false),
            (#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#, false),
            (#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no"}}"#, false),
            (#"{"jsonrpc":"2.0","id":1,"error":{"code":-32021,"message":"no"}}"#, true),
        ])
    func eras(_ message: String, _ isStateless: Bool) throws {
        let buffer = ByteBuffer(string: message)
        let reply = try #require(buffer.withUnsafeReadableBytes { Reply.scan($0) })
        let verdict = EraVerdict(buffer, reply)
        #expect(isStateless == { if case .stateless = verdict { true } else { false } }())
    }
}
