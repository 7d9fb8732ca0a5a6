// A list of any length as an answer, written part by part: as a member of a JSON object, or as a table.

import GateValues
import MCPWire

extension EndpointResponse {
    /// Hands the items of a list over, part by part and in their order.
    typealias Parts<Item> = @Sendable (_ body: ([Item]) async throws -> Void) async throws -> Void

    /// The members of `head`, the list as the member `name`, and its length as `count`.
    init<Item>(streaming view: View<Item>, as name: String, behind head: JSONObject, parts: @escaping Parts<Item>) {
        self.init(streaming: MediaType.json) { write in
            var part = JSONValue.object(head).bytes.dropLast() + Array(",\(JSONValue.string(name).text):[".utf8)
            var count = 0
            try await parts { items in
                for item in items {
                    if count > 0 { part.append(UInt8(ascii: ",")) }
                    JSONValue.object(view.json(item)).append(to: &part)
                    count += 1
                }
                try await write(part)
                part.removeAll(keepingCapacity: true)
            }
            try await write(part + "],\"count\":\(count)}".utf8)
        }
    }

    /// The list as comma-separated values.
    init<Item>(streaming table: View<Item>.Table, parts: @escaping Parts<Item>) {
        self.init(streaming: MediaType.csv) { write in
            var part = table.head
            try await parts { items in
                for item in items { table.append(item, to: &part) }
                try await write(part)
                part.removeAll(keepingCapacity: true)
            }
            try await write(part)
        }
    }
}
