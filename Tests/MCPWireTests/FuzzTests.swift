// Random mutations of real messages: nothing crashes, and what is accepted is accepted by others too.

import Foundation
import MCPWire
import Testing

@Suite("Fuzz")
struct FuzzTests {
    private static let messages = [
        #"{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"search","arguments":{"q":"caf\u00e9 é 😀","n":[1,-2.5e3,true,null]},"_meta":{"progressToken":"p"}}}"#,
        #" { "jsonrpc" : "2.0" , "id" : "x" , "method" : "tools\/call_batch" , "params" : { "calls" : [ { "name" : "a" , "arguments" : { } } , { "name" : "b" } ] } } "#,
        #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true}},"clientInfo":{"name":"c","version":"1"}}}"#,
        #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"\ud83d\ude00"}}"#,
        #"{"jsonrpc":"2.0","id":5,"result":{"content":[{"type":"text","text":"a \"quoted\" line\n"}],"isError":true}}"#,
        #"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no"}}"#,
    ].map { Array($0.utf8) }

    /// Whether the reference would read the bytes. It is stricter than RFC 8259 about half surrogate pairs and about
    /// numbers that no double holds, so such messages are left to the grammar tests.
    private func isReferenceJSON(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self).lowercased()
        if text.contains("\\ud") || text.contains(/e[+]?[0-9]{2,}/) || text.contains(/[0-9]{17,}/) { return true }
        return (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
    }

    @Test(
        "a mutated message never crashes a scan, and an accepted one is JSON to others and lies within its bytes (X34)")
    func envelopes() {
        fuzz(seed: 1) { generator in
            let bytes = Self.messages.randomElement(using: &generator)!.mutated(by: &generator)
            if let scan = try? scanEnvelope(bytes) {
                #expect(isReferenceJSON(bytes), "\(String(decoding: bytes, as: UTF8.self))")
                checkRanges(scan)
            }
            _ = bytes.withUnsafeBytes { Reply.scan($0) }
        }
    }

    /// Each range is a value of its own, and holds what a full parse finds there.
    private func checkRanges(_ scan: Scanned<Envelope>) {
        let message = scan.message
        guard let whole = try? JSONValue.parse(scan.bytes) else { return }
        func check(_ range: Range<Int>?, _ value: JSONValue?, _ compactSize: Int? = nil) {
            guard let range else { return }
            let bytes = Array(scan.bytes[range])
            let parsed = try? JSONValue.parse(bytes)
            #expect(parsed == value && parsed != nil, "\(String(decoding: scan.bytes, as: UTF8.self))")
            guard let compactSize else { return }
            #expect(compactSize == sizeWithoutBlanks(bytes))
        }
        let params = whole["params"]
        check(message.id, whole["id"])
        check(message.params, params)
        check(message.toolNameToken, params?["name"])
        check(message.arguments, params?["arguments"], message.argumentsCompactSize)
        check(message.progressToken, params?["_meta"]?["progressToken"])
        check(message.requestIdToCancel, params?["requestId"])
        for (index, call) in message.batch.enumerated() {
            check(call.arguments, params?["calls"]?[index]?["arguments"], call.argumentsCompactSize)
            check(call.toolNameToken, params?["calls"]?[index]?["name"])
        }
    }

    /// The size in bytes with the blanks outside of strings left out, counted the slow way.
    private func sizeWithoutBlanks(_ bytes: [UInt8]) -> Int {
        var size = 0
        var isInString = false
        var isEscaped = false
        for byte in bytes {
            if isInString || ![0x20, 0x09, 0x0A, 0x0D].contains(byte) { size += 1 }
            if byte == UInt8(ascii: "\""), !isEscaped { isInString.toggle() }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        return size
    }

    @Test("what is parsed and written is parsed to the same, and is the same to others")
    func values() throws {
        try fuzz(seed: 2) { generator in
            let bytes = Self.messages.randomElement(using: &generator)!.mutated(by: &generator)
            guard let value = try? JSONValue.parse(bytes) else { return }
            let written = value.bytes
            let again = try JSONValue.parse(written)
            #expect(again == value)
            #expect(isReferenceJSON(written))
        }
    }

    @Test("streams cut at random give the same lines and events")
    func streams() {
        let seeds = [
            "\u{FEFF}: hi\r\nid: é\r\nevent: e\r\ndata: 漢\r\ndata: 😀\r\n\r\nretry: 10\r\rdata: x\n\r\n",
            "{\"a\":1}\n{\"b\":\"\\n\"}\r\n\nlog line\n",
            "data: 0123456789012345678901234567890123456789\n\ndata: y\n\n",
        ].map { Array($0.utf8) }
        fuzz(seed: 3) { generator in
            let bytes = seeds.randomElement(using: &generator)!.mutated(by: &generator)
            let chunks = bytes.chunks(by: &generator)
            #expect(EventStreamTests.events(chunks, cap: 32) == EventStreamTests.events([bytes], cap: 32))
            #expect(LineFramerTests.lines(chunks, cap: 16) == LineFramerTests.lines([bytes], cap: 16))
        }
    }

    @Test("a splice and its reverse give the source back, and id and token are what was put in")
    func splices() throws {
        try fuzz(seed: 4) { generator in
            let bytes = Self.messages.randomElement(using: &generator)!.mutated(by: &generator)
            guard let scan = try? scanEnvelope(bytes) else { return }
            let ranges = [scan.message.id, scan.message.progressToken].compactMap { $0 }
                .sorted { $0.lowerBound < $1.lowerBound }
            let numbers = ranges.map { _ in UInt64.random(in: 0 ... .max, using: &generator) }
            let edits = zip(ranges, numbers).map { Splice.Edit($0, .decimal($1)) }
            let there = bytes.withUnsafeBytes { Splice.apply(edits, to: $0) }
            let scanThere = try scanEnvelope(there)
            let newRanges = [scanThere.message.id, scanThere.message.progressToken].compactMap { $0 }
                .sorted { $0.lowerBound < $1.lowerBound }
            #expect(newRanges.map { String(decoding: there[$0], as: UTF8.self) } == numbers.map(String.init))
            let reverse = zip(newRanges, ranges).map { Splice.Edit($0, .bytes(Array(bytes[$1]))) }
            #expect(there.withUnsafeBytes { Splice.apply(reverse, to: $0) } == bytes)
            let joined = bytes.withUnsafeBytes { Splice.apply([], to: $0, lines: .joined) }
            #expect(!joined.contains(0x0A) && !joined.contains(0x0D) && joined.count == bytes.count)
        }
    }
}
