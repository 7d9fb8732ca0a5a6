// What a pack says is what a script reads of it.

@testable import ClusterState
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
