// Random mutations of real messages: nothing crashes, and what is accepted is accepted by others too.

import Foundation
import GateTesting
import MCPWire
import Testing

/// The seeds are good messages, and what hostile clients and servers say.
@Suite("Fuzz", .replayable)
struct FuzzTests {
    private static let messages =
        [
            #"{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"search","arguments":{"q":"caf\u00e9 é 😀","n":[1,-2.5e3,true,null]},"_meta":{"progressToken":"p"}}}"#,
            #" { "jsonrpc" : "2.0" , "id" : "x" , "method" : "tools\/call_batch" , "params" : { "calls" : [ { "name" : "a" , "arguments" : { } } , { "name" : "b" } ] } } "#,
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true}},"clientInfo":{"name":"c","version":"1"}}}"#,
            #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5,"reason":"\ud83d\ude00"}}"#,
            #"{"jsonrpc":"2.0","id":5,"result":{"content":[{"type":"text","text":"a \"quoted\" line\n"}],"isError":true}}"#,
            #"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no"}}"#,
        ].map { Array($0.utf8) } + FuzzCorpus.bodies

    private static func mutated(by chance: inout Chance) -> [UInt8] { chance.mutation(of: messages, with: Chance.tokensOfJSON) }

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
        fuzz("messages of clients", seed: 1) { chance in
            let bytes = Self.mutated(by: &chance)
            if let scan = try? scanEnvelope(bytes) {
                #expect(isReferenceJSON(bytes), "\(String(decoding: bytes, as: UTF8.self))")
                checkRanges(scan)
            }
        }
    }

    @Test("a mutated message of a server never crashes a scan, and what is read of it is what others read (X34)")
    func replies() async throws {
        let seeds = Self.messages + (try await FuzzCorpus.lines())
        fuzz("messages of servers", seed: 5) { chance in
            let bytes = chance.mutation(of: seeds, with: Chance.tokensOfJSON)
            guard let reply = bytes.withUnsafeBytes({ Reply.scan($0) }) else {
                _ = bytes.withUnsafeBytes { Reply.isUnusable($0) }
                return
            }
            #expect(isReferenceJSON(bytes), "\(String(decoding: bytes, as: UTF8.self))")
            #expect(!bytes.withUnsafeBytes { Reply.isUnusable($0) })
            guard let whole = try? JSONValue.parse(bytes) else { return }
            for (range, value) in [
                (reply.id, whole["id"]), (reply.params, whole["params"]), (reply.result, whole["result"]), (reply.error, whole["error"]),
                (reply.progressToken, whole["params"]?["progressToken"]), (reply.requestIdToCancel, whole["params"]?["requestId"]),
            ] {
                guard let range else { continue }
                #expect((try? JSONValue.parse(Array(bytes[range]))) == value, "\(String(decoding: bytes, as: UTF8.self))")
            }
            if let number = reply.number { #expect(reply.id.map { String(decoding: bytes[$0], as: UTF8.self) } == "\(number)") }
        }
    }

    @Test("a list of a hostile server: its entries are its bytes, and the list with the same entries is the same list (F-REG-01)")
    func lists() async throws {
        let lists = try await FuzzCorpus.lines().filter { $0.firstRange(of: Array("\"tools\"".utf8)) != nil }
        try #require(!lists.isEmpty)
        fuzz("lists of servers", seed: 6) { chance in
            let bytes = chance.mutation(of: lists, with: Chance.tokensOfJSON)
            guard let reply = bytes.withUnsafeBytes({ Reply.scan($0) }), let result = reply.result.map({ Array(bytes[$0]) }),
                let scan = result.withUnsafeBytes({ ListScan($0, list: "tools", members: ["name", "description"]) })
            else { return }
            let entries = scan.entries.map { Array(result[$0.range]) }
            let again = result.withUnsafeBytes { scan.replacing(entries, in: $0) }
            let rescan = again.withUnsafeBytes { ListScan($0, list: "tools", members: ["name", "description"]) }
            #expect(rescan?.entries.map { Array(again[$0.range]) } == entries)
            for (entry, copy) in zip(scan.entries, rescan?.entries ?? []) {
                #expect(entry.values.map { $0.map { Array(result[$0]) } } == copy.values.map { $0.map { Array(again[$0]) } })
            }
            #expect(scan.nextCursor.map { Array(result[$0]) } == rescan?.nextCursor.map { Array(again[$0]) })
            guard let value = try? JSONValue.parse(result) else { return }
            #expect((try? JSONValue.parse(again)) == value)
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
        check(message.call.toolNameToken, params?["name"])
        check(message.call.arguments, params?["arguments"], message.call.argumentsCompactSize)
        check(message.progressToken, params?["_meta"]?["progressToken"])
        check(message.requestIdToCancel, params?["requestId"])
        check(message.cursor, params?["cursor"])
        check(message.uri, params?["uri"])
        check(message.taskId, params?["taskId"])
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
        try fuzz("JSON", seed: 2) { chance in
            let bytes = Self.mutated(by: &chance)
            guard let value = try? JSONValue.parse(bytes) else { return }
            let written = value.bytes
            let again = try JSONValue.parse(written)
            #expect(again == value)
            #expect(isReferenceJSON(written))
        }
    }

    @Test("streams cut at random give the same lines and events")
    func streams() async throws {
        let seeds =
            [
                "\u{FEFF}: hi\r\nid: é\r\nevent: e\r\ndata: 漢\r\ndata: 😀\r\n\r\nretry: 10\r\rdata: x\n\r\n",
                "{\"a\":1}\n{\"b\":\"\\n\"}\r\n\nlog line\n",
                "data: 0123456789012345678901234567890123456789\n\ndata: y\n\n",
            ].map { Array($0.utf8) } + (try await FuzzCorpus.streams())
        let lines = try await FuzzCorpus.lines().filter { $0.count < 1000 }.map { $0 + Array("\n".utf8) }
        let pairs = zip(lines, lines.dropFirst()).map { $0 + $1 }
        fuzz("streams and lines", seed: 3) { chance in
            let bytes = chance.mutation(of: seeds + pairs, with: Chance.tokensOfJSON)
            let pieces = chance.pieces(of: bytes)
            let cap = chance.pick([16, 32, 64, 4096])
            #expect(EventStreamTests.events(pieces, cap: cap) == EventStreamTests.events([bytes], cap: cap), "\(bytes)")
            #expect(LineFramerTests.lines(pieces, cap: cap) == LineFramerTests.lines([bytes], cap: cap), "\(bytes)")
        }
    }

    @Test("a splice and its reverse give the source back, and id and token are what was put in")
    func splices() throws {
        try fuzz("splices", seed: 4) { chance in
            let bytes = Self.mutated(by: &chance)
            guard let scan = try? scanEnvelope(bytes) else { return }
            let ranges = [scan.message.id, scan.message.progressToken].compactMap { $0 }
                .sorted { $0.lowerBound < $1.lowerBound }
            let numbers = ranges.map { _ in UInt64.random(in: 0 ... .max, using: &chance) }
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
