// What a pack says is what a script reads of it.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Packs of scripts")
struct ScriptPackTests {
    @Test("Redis reads numbers and texts of a pack as they were put in, at each border between two forms")
    func borders() async throws {
        let node = try await TestNode()
        let numbers = [0, 9, 10, 127, 128, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 1_700_000_000_000_000, (1 << 53) - 1, -1]
        let lengths = [0, 1, 31, 32, 255, 256, 65_535, 65_536]
        var pack = ScriptPack()
        for number in numbers { pack.append(number) }
        for number in numbers { pack.append(decimal: number) }
        for length in lengths { pack.append([UInt8](repeating: 0xff, count: length)) }
        var inner = ScriptPack()
        inner.beginTable(of: 17)
        for number in 1...17 { inner.append(number) }
        pack.append(inner)
        var command = RedisCommand("EVAL", Self.script, "0")
        command.append(pack.bytes)
        let read = try await node.store.send(command).array?.compactMap(\.string) ?? []
        #expect(
            read == numbers.map { "number \($0)" } + numbers.map { "string \($0)" } + lengths.map { "bytes \($0)" } + ["table 17 153"])
        #expect(ScriptPackWords.read(pack.bytes).prefix(12).map { String(decoding: $0, as: UTF8.self) } == numbers.map(String.init))
    }

    @Test("Answers stand behind their numbers; one that counts more values than there are, or fewer than none, is the last of them")
    func answers() {
        let reply = { (values: [RedisReply]) in Array(ScriptAnswers(.array(values))) }
        let two = reply([.integer(3), .integer(0), .integer(7), .bytes([65]), .integer(1), .integer(4)])
        #expect(two.map(\.status) == [0, 4] && two[0].integers(from: 1) == [7, 0] && two[0].bytes(at: 2) == [65] && two[0].why == "A")
        #expect(two[1].integer(at: 0) == 4 && two[1].integer(at: 1) == 0 && two[1].bytes(at: 0) == nil && two[1].integers(from: 3) == [])
        for rest: [RedisReply] in [[.integer(2), .integer(0)], [.integer(-1), .integer(0)], [.null], [.integer(.max)]] {
            #expect(reply([.integer(1), .integer(6)] + rest).map(\.status) == [6])
        }
        #expect(reply([]).isEmpty && Array(ScriptAnswers(.null)).isEmpty && reply([.integer(0)]).map(\.status) == [-1])
    }

    private static let script = """
        local found, values = {}, {cmsgpack.unpack(ARGV[1])}
        for i, value in ipairs(values) do
          if type(value) == 'number' then found[i] = string.format('number %d', value)
          elseif i <= 24 then found[i] = 'string ' .. value
          elseif i <= 32 then
            found[i] = (value == string.rep(string.char(255), #value) and 'bytes ' or 'other ') .. #value
          else
            local sum, list = 0, cmsgpack.unpack(value)
            for _, each in ipairs(list) do sum = sum + each end
            found[i] = 'table ' .. #list .. ' ' .. sum
          end
        end
        return found
        """
}
