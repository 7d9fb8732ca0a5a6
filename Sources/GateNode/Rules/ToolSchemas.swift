// The schemas that operators have registered for tools: as they are kept, and as calls are judged by them.

import GateDomain
import GateSettings
import GateValues
import MCPWire

/// What the arguments of tools have to be (F-SCHEMA-01).
struct ToolSchemas: Sendable {
    let registered: [ExactText: RegisteredSchema]
    /// A schema that this version cannot read is left out.
    let ready: [ExactText: ArgumentSchema]

    /// Regular expressions of all schemas: the tables of one may have 36 KB.
    static let mostPatterns = 500

    init(_ registered: [ExactText: RegisteredSchema]) {
        self.registered = registered
        ready = registered.compactMapValues { (try? JSONValue.parse($0.text.text)).flatMap { try? ArgumentSchema($0) } }
    }

    /// Whether there may be all of these.
    var hasRoom: Bool {
        registered.count <= RegisteredSchema.capacity
            && registered.values.reduce(0) { $0 + $1.text.text.utf8.count } <= RegisteredSchema.mostBytes
            && ready.values.reduce(0) { $0 + $1.patterns } <= Self.mostPatterns
    }
}
