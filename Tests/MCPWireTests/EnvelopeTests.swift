// What the gate reads of a client's message, and which sentence refuses a bad one.

import MCPWire
import Testing

@Suite("Envelope")
struct EnvelopeTests {
    @Test("a tools/call is read without its arguments being decoded")
    func toolsCall() throws {
        let scan = try scanEnvelope(
            #" {"jsonrpc": "2.0", "id": "a-1", "method": "tools/call", "params": {"name": "search", "arguments": {"q": [1, 2]}, "_meta": {"progressToken": 7}}} "#
        )
        #expect(scan.message.kind == .request)
        #expect(scan.message.method == .toolsCall)
        #expect(scan[scan.message.methodName] == "tools/call")
        #expect(scan[scan.message.id] == #""a-1""#)
        #expect(scan.message.call.toolName == "search")
        #expect(scan[scan.message.call.toolNameToken] == #""search""#)
        #expect(scan[scan.message.call.arguments] == #"{"q": [1, 2]}"#)
        #expect(scan.message.call.argumentsCompactSize == #"{"q":[1,2]}"#.utf8.count)
        #expect(scan[scan.message.meta] == #"{"progressToken": 7}"#)
        #expect(scan[scan.message.progressToken] == "7")
        #expect(
            scan[scan.message.params]
                == #"{"name": "search", "arguments": {"q": [1, 2]}, "_meta": {"progressToken": 7}}"#)
    }

    @Test("members may stand in any order")
    func order() throws {
        let scan = try scanEnvelope(
            #"{"params":{"arguments":{},"name":"t"},"method":"tools/call","id":1,"jsonrpc":"2.0"}"#)
        #expect(scan.message.call.toolName == "t")
        #expect(scan[scan.message.call.arguments] == "{}")
    }

    @Test("names and method are compared decoded, so escapes hide nothing")
    func escapes() throws {
        let scan = try scanEnvelope(
            #"{"json\u0072pc":"2\u002e0","i\u0064":1,"m\u0065thod":"tools\/call","par\u0061ms":{"\u006eame":"pa\u0069d","argument\u0073":{}}}"#
        )
        #expect(scan.message.method == .toolsCall)
        #expect(scan.message.call.toolName == "paid")
        #expect(scan[scan.message.call.toolNameToken] == #""pa\u0069d""#)
        #expect(scan[scan.message.call.arguments] == "{}")
    }

    // MARK: Faults (F-RPC-08, F-RPC-12)

    @Test(
        "bad JSON is -32700, whatever else is wrong",
        arguments: [
            "", "{", "[1,", #"{"jsonrpc":1,"method":2,}"#, "[}", "\u{FEFF}{}", #"{"jsonrpc":"2.0","method":"ping"} x"#,
        ])
    func parseError(_ text: String) {
        #expect(throws: EnvelopeFault.parseError) { try scanEnvelope(text) }
    }

    @Test(
        "arrays and scalars are refused", arguments: ["[]", "[{\"jsonrpc\":\"2.0\"}]", "1", "\"x\"", "null", " true "])
    func notAnObject(_ text: String) {
        #expect(throws: EnvelopeFault.notAnObject) { try scanEnvelope(text) }
    }

    @Test(
        "the version has to be the string 2.0",
        arguments: [
            "{}", #"{"jsonrpc":2.0,"method":"ping"}"#, #"{"jsonrpc":"2","method":"ping"}"#, #"{"jsonrpc":"2.00"}"#,
        ])
    func badVersion(_ text: String) {
        #expect(throws: EnvelopeFault.badVersion) { try scanEnvelope(text) }
    }

    @Test(
        "the method has to be a string", arguments: ["", #","method":1"#, #","method":null,"result":1"#, #","id":1"#])
    func badMethod(_ members: String) {
        #expect(throws: EnvelopeFault.badMethod) { try scanEnvelope(#"{"jsonrpc":"2.0"\#(members)}"#) }
    }

    @Test("the id has to be string, number or null", arguments: ["true", "false", "[]", "{}", "[1]"])
    func badID(_ id: String) {
        #expect(throws: EnvelopeFault.badID) { try scanEnvelope(#"{"jsonrpc":"2.0","method":"ping","id":\#(id)}"#) }
    }

    @Test("a request needs an id that is not null, and no id or progress token is longer than 1,024 bytes")
    func goodIDs() throws {
        #expect(throws: EnvelopeFault.nullID) { try scanEnvelope(#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#) }
        #expect(try scanEnvelope(#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#).message.kind == .response)
        for (length, isGood) in [(1024, true), (1025, false)] {
            let token = "\"" + String(repeating: "x", count: length - 2) + "\""
            for text in [
                #"{"jsonrpc":"2.0","id":\#(token),"method":"ping"}"#,
                #"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":\#(token)}}}"#,
                #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(token)}}"#,
            ] {
                if isGood {
                    #expect(throws: Never.self) { try scanEnvelope(text) }
                } else {
                    #expect(throws: EnvelopeFault.longID) { try scanEnvelope(text) }
                }
            }
        }
    }

    @Test("a name of a revision that is longer than any is none, and is not looked at")
    func longRevisions() throws {
        let long = String(repeating: "\u{301}", count: 500_000)
        let scan = try scanEnvelope(#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"\#(long)"}}"#)
        #expect(scan.message.protocolVersion == nil)
        #expect(ProtocolRevision.served(named: long) == nil)
    }

    @Test("codes and sentences are those that clients know")
    func sentences() {
        #expect(EnvelopeFault.parseError.code == -32700)
        #expect(EnvelopeFault.parseError.sentence == "Parse error")
        for (fault, sentence) in [
            (EnvelopeFault.notAnObject, "expected JSON object"), (.badVersion, #"jsonrpc must be "2.0""#),
            (.badMethod, "method must be a string"), (.badID, "id must be string, number, or null"),
        ] {
            #expect(fault.code == -32600)
            #expect(fault.sentence == sentence)
        }
        #expect(EnvelopeFault.duplicateMember("name").code == -32600)
    }

    @Test(
        "a member that the gate reads may not stand there twice, however it is written",
        arguments: [
            (#""id":1,"id":2"#, "id"), (#""method":"ping","method":"ping""#, "method"),
            (#""jsonrpc":"2.0""#, "jsonrpc"),
            (#""params":{},"params":{}"#, "params"), (#""params":{"name":"free","name":"paid"}"#, "name"),
            (#""params":{"name":"free","\u006eame":"paid"}"#, "name"),
            (#""params":{"arguments":1,"arguments":{}}"#, "arguments"),
            (#""params":{"_meta":{},"_meta":{}}"#, "_meta"), (#""params":{"calls":[],"calls":[]}"#, "calls"),
            (#""params":{"_meta":{"progressToken":1,"progressToken":2}}"#, "progressToken"),
            (#""params":{"calls":[{"name":"a","name":"b"}]}"#, "name"),
            (#""params":{"calls":[{"arguments":1,"arguments":2}]}"#, "arguments"),
        ])
    func duplicates(_ members: String, _ name: String) {
        #expect(throws: EnvelopeFault.duplicateMember(name)) {
            try scanEnvelope(#"{"jsonrpc":"2.0","method":"tools/call",\#(members)}"#.replacingMethod(in: members))
        }
    }

    @Test(
        "a member that a server could take for another by letter case is refused",
        arguments: [
            (#"{"name":"free","Name":"paid"}"#, "name"), (#"{"NAME":"paid"}"#, "name"),
            (#"{"Argument\u0053":{}}"#, "arguments"),
            ("{\"argument\u{17F}\":{}}", "arguments"), ("{\"_meta\":{\"progressTo\u{212A}en\":1}}", "progressToken"),
            (#"{"calls":[{"naMe":1}]}"#, "name"), (#"{"_META":{}}"#, "_meta"),
        ])
    func lookalikes(_ params: String, _ name: String) {
        #expect(throws: EnvelopeFault.misspelledMember(name)) { try scanRequest("tools/call", params) }
    }

    @Test(
        "of what is completed each member that the gate reads is there once; in other requests a `ref` is the server's own",
        arguments: ["type", "name", "uri"])
    func references(_ name: String) throws {
        let params = #"{"ref":{"\#(name)":"a","\#(name)":"b"}}"#
        #expect(throws: EnvelopeFault.duplicateMember(name)) { try scanRequest("completion/complete", params) }
        #expect(throws: EnvelopeFault.duplicateMember(name)) { try scanRequest(#"completion\/complete"#, params) }
        #expect(throws: EnvelopeFault.misspelledMember(name)) {
            try scanRequest("completion/complete", #"{"ref":{"\#(name)":"a","\#(name.uppercased())":"b"}}"#)
        }
        _ = try scanRequest("future/method", params)
        _ = try scanRequest("completion/complete", #"{"ref":{"\#(name)":"a","title":1,"title":2}}"#)
    }

    @Test("members that the gate does not read may repeat, and arguments are the tool's own")
    func otherDuplicates() throws {
        let scan = try scanRequest("tools/call", #"{"x":1,"x":2,"name":"t","arguments":{"name":1,"name":2,"Name":3}}"#)
        #expect(scan.message.call.toolName == "t")
    }

    @Test("a message is never request and response at once")
    func methodWithResult() {
        #expect(throws: EnvelopeFault.methodWithResult) {
            try scanEnvelope(#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#)
        }
    }

    // MARK: Kinds and ids

    @Test(
        "ids keep their type and their very bytes",
        arguments: ["0", "-1", "1.5", "1e3", "18446744073709551616", #""""#, #""\u0031""#])
    func ids(_ id: String) throws {
        let scan = try scanEnvelope(#"{"jsonrpc":"2.0","method":"ping","id": \#(id) }"#)
        #expect(scan.message.kind == .request)
        #expect(scan[scan.message.id] == id)
    }

    @Test("without an id it is a notification, without a method but with result or error a response")
    func kinds() throws {
        #expect(
            try scanEnvelope(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).message.kind == .notification)
        #expect(try scanEnvelope(#"{"jsonrpc":"2.0","id":1,"result":{}}"#).message.kind == .response)
        #expect(
            try scanEnvelope(#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#).message.kind == .response)
    }

    @Test(
        "the methods that the gate treats in their own way are told apart",
        arguments: [
            ("initialize", Method.initialize), ("initialized", .initialized),
            ("notifications/initialized", .initialized),
            ("ping", .ping), ("tools/list", .toolsList), ("tools/call", .toolsCall),
            ("tools/call_batch", .toolsCallBatch),
            ("resources/list", .resourcesList), ("prompts/list", .promptsList),
            ("notifications/progress", .notificationsProgress), ("server/discover", .serverDiscover),
            ("subscriptions/listen", .subscriptionsListen),
            ("notifications/cancelled", .notificationsCancelled), ("", .other), ("Tools/Call", .other),
            ("tools/cal", .other),
            ("tools/call ", .other), ("pong", .other), ("tools/lisp", .other), ("initializf", .other),
        ])
    func methods(_ name: String, _ method: Method) throws {
        #expect(try scanRequest(name, "{}").message.method == method)
    }

    @Test("only tool calls are gated, only the listed methods are free")
    func tariff() {
        #expect(Method.allCases.filter(\.isGated) == [.toolsCall, .toolsCallBatch])
        #expect(
            Method.allCases.filter(\.isFree)
                == [.initialize, .initialized, .ping, .toolsList, .resourcesList, .promptsList])
    }

    // MARK: Params

    @Test(
        "a tool name that is missing, empty, no string, or half a surrogate pair is none",
        arguments: [
            "{}", #"{"name":""}"#, #"{"name":1}"#, #"{"name":null}"#, #"{"name":["a"]}"#, #"{"name":"\ud800"}"#, "[]",
            "1",
        ])
    func noToolName(_ params: String) throws {
        #expect(try scanRequest("tools/call", params).message.call.toolName == nil)
    }

    @Test("a tool name is decoded, also beyond ASCII")
    func decodedToolName() throws {
        #expect(try scanRequest("tools/call", #"{"name":"\ud83d\ude00\n\"é"}"#).message.call.toolName == "😀\n\"é")
        #expect(try scanRequest("prompts/get", #"{"name":"p"}"#).message.call.toolName == nil)
    }

    @Test("the size of arguments ignores insignificant whitespace only (F-PRICE-04)")
    func compactSize() throws {
        func size(_ arguments: String) throws -> Int {
            try scanRequest("tools/call", #"{"name":"t", "arguments" : \#(arguments) , "x": [ 1 ]}"#).message
                .call.argumentsCompactSize
        }
        #expect(try size("{ }") == 2)
        #expect(try size("{ \"a b\" :\n\t[ 1 , \" \\n \" ]\r\n}") == #"{"a b":[1," \n "]}"#.utf8.count)
        #expect(try size(#""é""#) == 4)
        #expect(try scanRequest("tools/call", #"{"name":"t"}"#).message.call.argumentsCompactSize == 0)
    }

    @Test("progress token and cancelled request keep their bytes; other types are none")
    func tokens() throws {
        let string = try scanRequest("tools/call", #"{"_meta":{"progressToken":"a\u0062"}}"#)
        #expect(string[string.message.progressToken] == #""a\u0062""#)
        #expect(try scanRequest("tools/call", #"{"_meta":{"progressToken":{}}}"#).message.progressToken == nil)
        #expect(try scanRequest("tools/call", #"{"_meta":[1]}"#).message.progressToken == nil)
        let cancel = try scanEnvelope(
            #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":-3,"reason":"x"}}"#)
        #expect(cancel.message.method == .notificationsCancelled)
        #expect(cancel[cancel.message.requestIdToCancel] == "-3")
    }

    @Test("initialize shows its version and its capabilities")
    func initialize() throws {
        let scan = try scanRequest(
            "initialize",
            #"{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","name":"d"}}"#)
        #expect(scan.message.protocolVersion == "2025-11-25")
        #expect(scan[scan.message.capabilities] == #"{"roots":{}}"#)
    }

    @Test("a stateless request shows what it declares about itself")
    func stateless() throws {
        let scan = try scanRequest(
            "resources/read",
            #"{"uri":"file:///a","taskId":"t1","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"x":1}}}"#
        )
        #expect(scan.message.declaredVersion == "2026-07-28")
        #expect(scan[scan.message.declaredCapabilities] == #"{"x":1}"#)
        #expect(scan[scan.message.uri] == #""file:///a""#)
        #expect(scan[scan.message.taskId] == #""t1""#)
    }

    // MARK: Batches (F-BATCH)

    @Test("the calls of a batch are read one by one")
    func batch() throws {
        let scan = try scanRequest(
            "tools/call_batch", #"{"calls":[{"name":"a","arguments":{ "x": 1 }},{"arguments":[]},7,{"name":"\u0062"}]}"#
        )
        let batch = scan.message.batch
        #expect(batch.map(\.toolName) == ["a", nil, nil, "b"])
        #expect(batch.map { scan[$0.arguments] } == ["{ \"x\": 1 }", "[]", nil, nil])
        #expect(batch.map(\.argumentsCompactSize) == [7, 2, 0, 0])
        #expect(scan[batch[3].toolNameToken] == #""\u0062""#)
    }

    @Test(
        "a batch without calls is empty (F-BATCH-06)",
        arguments: ["{}", #"{"calls":[]}"#, #"{"calls":{}}"#, #"{"calls":1}"#, "[]"])
    func emptyBatch(_ params: String) throws {
        #expect(try scanRequest("tools/call_batch", params).message.batch.isEmpty)
    }

    @Test("a batch of more than 100 calls is flagged and not kept (F-BATCH-06)")
    func longBatch() throws {
        func batch(_ count: Int) throws -> Envelope {
            let calls = Array(repeating: #"{"name":"a"}"#, count: count).joined(separator: ",")
            return try scanRequest("tools/call_batch", #"{"calls":[\#(calls)]}"#).message
        }
        #expect(try !batch(100).batchIsTooLong)
        #expect(try batch(101).batchIsTooLong)
        #expect(try batch(5_000).batch.count == 100)
    }

    // MARK: Arrays of messages

    @Test("F-MCP-20: the elements of an array are found where they stand; beyond the first ones there is a flag")
    func array() throws {
        func elements(_ text: String, most: Int = 9) throws -> (texts: [String], isTooLong: Bool) {
            try Array(text.utf8).withUnsafeBytes { bytes in
                let scan = try ArrayScan(bytes, most: most)
                return (scan.elements.map { String(decoding: bytes[$0], as: UTF8.self) }, scan.isTooLong)
            }
        }
        #expect(try elements(" [ {\"a\":[1]} ,2,\"x\"] ").texts == ["{\"a\":[1]}", "2", "\"x\""])
        #expect(try elements("[]").texts == [])
        for (text, isTooLong) in [("[1,2,3]", true), ("[1,2]", false)] {
            let found = try elements(text, most: 2)
            #expect(found.texts == ["1", "2"] && found.isTooLong == isTooLong)
        }
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(try elements("[\(deep)]").texts == [deep])
        for text in ["", "{}", "[1", "[1,]", "[1]2", "[\(deep.dropLast())]", "[[\(deep)]]"] {
            #expect(throws: JSONFault.self) { try elements(text) }
        }
    }

    @Test(
        "F-MCP-20: of what is no message the id is known if it can be repeated",
        arguments: [
            (#"{"id":7}"#, "7"), (#"{"jsonrpc":"1.0","id":"a\u0062","x":{"id":1}}"#, #""a\u0062""#), (#"{"id":null}"#, "null"), ("{}", nil),
            (#"{"id":{}}"#, nil), (#"{"id":true}"#, nil), ("17", nil), ("[1]", nil),
            ("{\"id\":\"\(String(repeating: "x", count: 2000))\"}", nil),
        ])
    func idOfNoMessage(_ text: String, _ id: String?) {
        Array(text.utf8).withUnsafeBytes { bytes in
            #expect(ArrayScan.id(of: bytes).map { String(decoding: bytes[$0], as: UTF8.self) } == id)
        }
    }
}

extension String {
    /// Leaves out the message's own method where the members bring two.
    fileprivate func replacingMethod(in members: String) -> String {
        members.contains(#""method""#) ? #"{"jsonrpc":"2.0",\#(members)}"# : self
    }
}
