// What the gate reads of an upstream's message.

import MCPWire
import Testing

@Suite("Reply")
struct ReplyTests {
    @Test("a result shows its id, its range and whether it is an error")
    func result() throws {
        let scan = try #require(
            scanReply(#"{"result":{"content":[{"type":"text","text":"x"}],"isError": true},"jsonrpc":"2.0","id":42}"#))
        #expect(scan.message.kind == .result(isError: true))
        #expect(scan.message.number == 42)
        #expect(scan[scan.message.id] == "42")
        #expect(scan[scan.message.result] == #"{"content":[{"type":"text","text":"x"}],"isError": true}"#)
    }

    @Test(
        "isError counts only as true in the result object itself",
        arguments: [
            #"{}"#, #"{"isError":false}"#, #"{"isError":"true"}"#, #"{"isError":1}"#,
            #"{"structuredContent":{"isError":true}}"#,
            #"[{"isError":true}]"#, #""isError""#, #"{"content":[{"text":"\"isError\":true"}]}"#,
        ])
    func notAnError(_ result: String) throws {
        let scan = try #require(scanReply(#"{"jsonrpc":"2.0","id":1,"isError":true,"result":\#(result)}"#))
        #expect(scan.message.kind == .result(isError: false))
        #expect(scan[scan.message.result] == result)
    }

    @Test(
        "A message with more than its kind consists of, or with some of it twice, is loose, and is tightened to what it says",
        arguments: [
            (#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#, false, #"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#),
            (#"{"id":1,"error":null,"jsonrpc":"2.0","result":1}"#, false, #"{"jsonrpc":"2.0","id":1,"result":1}"#),
            (#"{"jsonrpc":"2.0","id":1,"result":1,"x":2}"#, true, #"{"jsonrpc":"2.0","id":1,"result":1}"#),
            (#"{"jsonrpc":"2.0","id":1,"result":1,"result":2}"#, true, #"{"jsonrpc":"2.0","id":1,"result":2}"#),
            (#"{"jsonrpc":"2.0","id":1,"params":{},"result":1}"#, true, #"{"jsonrpc":"2.0","id":1,"result":1}"#),
            (#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1}}"#, true, #"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#),
            (#"{"jsonrpc":"2.0","method":"a/b","params":{"x":1}}"#, false, #"{"jsonrpc":"2.0","method":"a/b","params":{"x":1}}"#),
            (#"{"jsonrpc":"2.0","method":"a/b","result":{"x":1}}"#, true, #"{"jsonrpc":"2.0","method":"a/b"}"#),
            (#"{"jsonrpc":"2.0","id":"q","method":"ping","y":{}}"#, true, #"{"jsonrpc":"2.0","id":"q","method":"ping"}"#),
        ])
    func loose(_ message: String, isLoose: Bool, tight: String) throws {
        let scan = try #require(scanReply(message))
        #expect(scan.message.isLoose == isLoose)
        #expect(scan.bytes.withUnsafeBytes { String(decoding: scan.message.tightened($0), as: UTF8.self) } == tight)
        let again = try #require(scanReply(tight))
        #expect(!again.message.isLoose && again.message.kind == scan.message.kind)
    }

    @Test("an error shows its code")
    func error() throws {
        let scan = try #require(
            scanReply(#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no","data":{"code":1}}}"#))
        #expect(scan.message.kind == .error(code: -32602))
        #expect(scan[scan.message.error] == #"{"code":-32602,"message":"no","data":{"code":1}}"#)
        #expect(scanReply(#"{"jsonrpc":"2.0","id":7,"error":{"code":"x"}}"#)?.message.kind == .error(code: 0))
        #expect(
            scanReply(#"{"jsonrpc":"2.0","id":7,"error":null,"result":1}"#)?.message.kind == .result(isError: false))
    }

    @Test("requests and notifications show their method, also with escaped slashes")
    func methods() throws {
        let request = try #require(
            scanReply(#"{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"x":1}}"#))
        #expect(request.message.kind == .request)
        #expect(request[request.message.methodName] == "sampling/createMessage")
        #expect(request[request.message.id] == #""s1""#)
        #expect(request.message.number == nil)
        #expect(request[request.message.params] == #"{"x":1}"#)
        let progress = try #require(
            scanReply(
                #"{"jsonrpc":"2.0","method":"notifications\/progress","params":{"progressToken":99,"progress":1}}"#))
        #expect(progress.message.kind == .notification)
        #expect(progress.message.method == .notificationsProgress)
        #expect(progress.message.progressNumber == 99)
        #expect(progress[progress.message.progressToken] == "99")
        let cancel = try #require(
            scanReply(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}"#))
        #expect(cancel[cancel.message.requestIdToCancel] == #""q""#)
    }

    @Test(
        "only a plain decimal is a number of the gate",
        arguments: [
            ("0", 0), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("-1", nil), ("1.0", nil),
            ("1e2", nil),
            (#""5""#, nil), ("null", nil), ("99999999999999999999", nil), ("100000000000000000000", nil),
        ] as [(String, UInt64?)])
    func numbers(_ id: String, _ number: UInt64?) {
        #expect(scanReply(#"{"jsonrpc":"2.0","id":\#(id),"result":{}}"#)?.message.number == number)
    }

    @Test("the type of a 2026 result is shown")
    func resultType() throws {
        let scan = try #require(scanReply(#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}"#))
        #expect(scan[scan.message.resultType] == #""input_required""#)
    }

    @Test(
        "what is no JSON-RPC message is none",
        arguments: [
            "", "Server started", "[]", "1", "{}", #"{"level":"info","method":"GET"}"#, #"{"jsonrpc":"2.0"}"#,
            #"{"jsonrpc":"2.0","id":1}"#,
            #"{"jsonrpc":"1.0","id":1,"result":1}"#, #"{"jsonrpc":"2.0","id":1,"result":{}"#,
            #"{"jsonrpc":"2.0","id":1,"result":{}}x"#,
            #"{"jsonrpc":"2.0","id":1,"result":{"a":tru}}"#,
        ])
    func notAMessage(_ text: String) {
        #expect(scanReply(text) == nil)
    }

    @Test("results may be nested twice as deep as calls, and no deeper")
    func depth() {
        func reply(_ depth: Int) -> String {
            #"{"jsonrpc":"2.0","id":1,"result":"# + String(repeating: "[", count: depth)
                + String(repeating: "]", count: depth) + "}"
        }
        #expect(scanReply(reply(127)) != nil)
        #expect(scanReply(reply(128)) == nil)
    }

    @Test("text that is no UTF-8 makes it unusable, and is told from garbage")
    func strictText() {
        let bytes = Array(#"{"jsonrpc":"2.0","id":1,"result":""#.utf8) + [0xFF, 0xC0] + Array(#""}"#.utf8)
        #expect(bytes.withUnsafeBytes { Reply.scan($0) == nil && Reply.isUnusable($0) })
        #expect(!Array("garbage".utf8).withUnsafeBytes { Reply.isUnusable($0) })
    }
}
