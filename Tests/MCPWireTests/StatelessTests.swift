// What is put into messages for the era without sessions, and taken out of them.

import MCPWire
import Testing

@Suite("Messages of the stateless era")
struct StatelessTests {
    private static let stamp = Array(#""io.modelcontextprotocol/serverInfo":{"name":"g"}"#.utf8)

    private static func dressed(_ result: String, lifetime: Int? = nil, isPrivate: Bool = false) -> String {
        String(decoding: StatelessResult(stamp: stamp, lifetime: lifetime, isPrivate: isPrivate).dressed(Array(result.utf8)), as: UTF8.self)
    }

    @Test(
        "a result gets what it lacks, and keeps what it has as it stands",
        arguments: [
            ("{}", #"{"resultType":"complete","_meta":{STAMP}}"#),
            (#"{ "content" : [1,  2] }"#, #"{"resultType":"complete","_meta":{STAMP}, "content" : [1,  2] }"#),
            (#"{"resultType":"task","taskId":"t"}"#, #"{"_meta":{STAMP},"resultType":"task","taskId":"t"}"#),
            (#"{"_meta":{"a":1},"b":2}"#, #"{"resultType":"complete","_meta":{STAMP,"a":1},"b":2}"#),
            (#"{"_meta":{ },"b":2}"#, #"{"resultType":"complete","_meta":{STAMP },"b":2}"#),
            (#"{"_meta":null,"resultType":"complete"}"#, #"{"_meta":null,"resultType":"complete"}"#),
            (
                #"{"resultTyp\u0065":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"}}}"#,
                #"{"resultTyp\u0065":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"}}}"#
            ),
            ("[1]", "[1]"), ("true", "true"), ("{", "{"), ("", ""),
        ])
    func results(_ result: String, _ expected: String) {
        #expect(Self.dressed(result) == expected.replacing("STAMP", with: String(decoding: Self.stamp, as: UTF8.self)))
    }

    @Test("a list says how long it holds and for whom; what depends on its caller is never public")
    func lists() throws {
        for (given, isPrivate, ttl, scope) in [
            (#"{"tools":[]}"#, true, 5, "private"), (#"{"tools":[],"ttlMs":9}"#, false, 9, "private"),
            (#"{"tools":[],"cacheScope":"public"}"#, false, 5, "public"), (#"{"cacheScope":"public","tools":[]}"#, true, 5, "private"),
            (#"{"cacheScop\u0065":"public","_meta":{},"tools":[]}"#, true, 5, "private"),
        ] as [(String, Bool, Int64, String)] {
            let value = try JSONValue.parse(Self.dressed(given, lifetime: 5, isPrivate: isPrivate))
            #expect(value["ttlMs"]?.intValue == ttl && value["cacheScope"]?.stringValue == scope, "\(given)")
            #expect(value["resultType"]?.stringValue == "complete" && value["tools"]?.arrayValue != nil)
            #expect(value["_meta"]?["io.modelcontextprotocol/serverInfo"] != nil)
        }
        #expect(!Self.dressed(#"{"resultType":"input_required","requestState":"s"}"#, lifetime: 5).contains("ttlMs"))
    }

    @Test("a server with a handshake gets no word of what a stateless request says of itself, and everything else, on one line")
    func meta() {
        let meta = """
            {"io.modelcontextprotocol/protocolVersion":"2026-07-28", "progressToken" : "p","acme/a":{"b":
             [1]},"io.modelcontextprotocol\\/clientInfo":{},"io.modelcontextprotocol/clientCapabilities":{"a":"b"},
            "io.modelcontextprotocol/logLevel":"info","io.modelcontextprotocol/related-task":{"taskId":"t"}}
            """
        let bridged = Array(meta.utf8).withUnsafeBytes { String(decoding: StatelessMeta.bridged($0, number: 12), as: UTF8.self) }
        #expect(bridged == #"{"progressToken":12,"acme/a":{"b":  [1]},"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#)
        for odd in ["{}", "[1]", "1", #"{"progressToken":[1]}"#] {
            let bridged = Array(odd.utf8).withUnsafeBytes { String(decoding: StatelessMeta.bridged($0, number: 1), as: UTF8.self) }
            #expect(bridged == (odd.hasPrefix("{\"") ? odd : "{}"))
        }
    }

    @Test(
        "a notification names the request on whose stream it is sent",
        arguments: [
            (#"{"jsonrpc":"2.0","method":"m"}"#, #"{"jsonrpc":"2.0","method":"m","params":{"_meta":{ID}}}"#),
            (#"{"method":"m","params":{}}"#, #"{"method":"m","params":{"_meta":{ID}}}"#),
            (#"{"params":{"uri":"a"},"method":"m"}"#, #"{"params":{"_meta":{ID},"uri":"a"},"method":"m"}"#),
            (#"{"params":{"_meta":{"a":1}},"method":"m"}"#, #"{"params":{"_meta":{ID,"a":1}},"method":"m"}"#),
            (#"{"params":{"_meta":{},"uri":"a"}}"#, #"{"params":{"_meta":{ID},"uri":"a"}}"#),
            (#"{"params":{"_meta":null}}"#, #"{"params":{"_meta":{ID}}}"#), (#"{"params":[1]}"#, nil), ("1", nil),
        ] as [(String, String?)])
    func subscriptions(_ message: String, _ expected: String?) {
        let stamped = Array(message.utf8).withUnsafeBytes { SubscriptionStamp.stamped($0, id: Array(#""l""#.utf8)) }
        let id = #""io.modelcontextprotocol/subscriptionId":"l""#
        #expect(stamped.map { String(decoding: $0, as: UTF8.self) } == expected?.replacing("ID", with: id))
    }

    @Test("a request declares its revision, also one that is no text or too long to be any")
    func declared() throws {
        for (value, version) in [
            (#""2026-07-28""#, "2026-07-28"), ("1", nil), ("null", nil), ("\"" + String(repeating: "2", count: 200) + "\"", nil),
        ]
            as [(String, String?)]
        {
            let message = try scanRequest("tools/list", #"{"_meta":{"io.modelcontextprotocol/protocolVersion":\#(value)}}"#).message
            #expect(message.declaresVersion && message.declaredVersion == version)
        }
        #expect(try !scanRequest("tools/list", #"{"_meta":{}}"#).message.declaresVersion)
    }

    @Test(
        "headers repeat the arguments that a schema says, and none of a schema of which one declaration is invalid",
        arguments: [
            (#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"integer"}}}"#, ["a=Mcp-Param-A"]),
            (
                #"{"properties":{"a":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"x"}}}}}"#, ["a.b=Mcp-Param-x"]
            ),
            (#"{"properties":{"x-mcp-header":{"type":"string"}},"default":{"x-mcp-header":"A"}}"#, []),
            (#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#, []),
            (#"{"properties":{"a":{"type":["string"],"x-mcp-header":"A"}}}"#, []),
            (#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#, []),
            (#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#, []),
            (#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#, []),
            (#"{"type":"string","x-mcp-header":"A"}"#, []),
            (#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#, []),
            (#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"items":{"type":"string","x-mcp-header":"B"}}}}"#, []),
            (#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#, []),
            (#"[]"#, []),
        ] as [(String, [String])])
    func mirrored(_ schema: String, _ expected: [String]) throws {
        let declared = MirroredArgument.declared(by: try JSONValue.parse(schema))
        #expect(declared.map { "\($0.name)=\($0.header)" } == expected)
    }
}
