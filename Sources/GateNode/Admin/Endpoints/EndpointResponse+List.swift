// A list of any length as an answer, written part by part: as a member of a JSON object, or as a table.

import GateValues
import MCPWire

extension EndpointResponse {
    /// Hands the items of a list over, part by part and in their order; what it returns is told behind them.
    typealias Parts<Item> = @Sendable (_ body: ([Item]) async throws -> Void) async throws -> JSONObject

    /// The members of `head`, the list as the member `name`, its length as `count`, and what is told behind it.
    init<Item>(streaming view: View<Item>, as name: String, behind head: JSONObject, parts: @escaping Parts<Item>) {
        self.init(streaming: MediaType.json) { write in
            var part = JSONValue.object(head).bytes.dropLast() + Array(",\(JSONValue.string(name).text):[".utf8)
            var count = 0
            let rest = try await parts { items in
                for item in items {
                    if count > 0 { part.append(UInt8(ascii: ",")) }
                    JSONValue.object(view.json(item)).append(to: &part)
                    count += 1
                }
                try await write(part)
                part.removeAll(keepingCapacity: true)
            }
            let tail = JSONObject([("count", JSONValue.int(Int64(count)))] + rest.map { ($0.name, $0.value) })
            try await write(part + "],".utf8 + JSONValue.object(tail).bytes.dropFirst())
        }
    }

    /// The list as comma-separated values.
    init<Item>(streaming table: View<Item>.Table, parts: @escaping Parts<Item>) {
        self.init(streaming: MediaType.csv) { write in
            var part = table.head
            _ = try await parts { items in
                for item in items { table.append(item, to: &part) }
                try await write(part)
                part.removeAll(keepingCapacity: true)
            }
            try await write(part)
        }
    }
}
