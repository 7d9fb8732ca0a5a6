// /admin/tools/schema: what the arguments of tools have to be, set while the gates run, on every node (F-SCHEMA-01, F-RPC-06).

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPWire

/// What the routes of schemas work with.
struct ToolSchemaParts: Sendable {
    let ruleBook: RuleBook
    let reload: RulesReload
    let totals: SchemaTotals

    init(_ parts: AdminParts) {
        (ruleBook, reload, totals) = (parts.ruleBook, parts.reload, SchemaTotals(store: parts.store))
    }

    /// Changes the schemas of every node from the moment that this returns.
    /// - Throws: what `change` throws, or why the store did not take it.
    func set(
        _ operation: Operation, _ change: @escaping @Sendable (inout [ExactText: RegisteredSchema]) throws(RecordRefusal) -> Void
    ) async throws(RecordRefusal) {
        try await reload.set(["tool schemas"], operation) { (overrides) throws(RecordRefusal) in try change(&overrides.toolSchemas) }
    }
}

extension Endpoint {
    static let readToolSchemas = Endpoint(
        .get, "/admin/tools/schema", "List the schemas of tools' arguments, and how many calls were compared with them.",
        for: .atLeast(.viewer),
        answer: [
            "totalSchemas": .integer, "schemas": .list(of: NamedSchema.view.schema), "totalValidations": .integer,
            "totalFailures": .integer,
        ],
        using: ToolSchemaParts.init
    ) { _, parts in
        await parts.reload.follow()
        let counts = try await parts.totals.read()
        let schemas = parts.ruleBook.snapshot.schemas.registered.map(NamedSchema.init).sorted {
            $0.tool.utf8.lexicographicallyPrecedes($1.tool.utf8)
        }
        return [
            "totalSchemas": schemas.count, "schemas": schemas.map(NamedSchema.view.json), "totalValidations": counts.all,
            "totalFailures": counts.failed,
        ]
    }

    static let registerToolSchema = Endpoint(
        .post, "/admin/tools/schema",
        "Register what the arguments of a tool have to be, in place of what was registered for it; calls that do not fit are refused and cost nothing.",
        for: .atLeast(.admin), body: [Field.schemaTool, Field.schemaToolName, Field.toolSchema], answer: NamedSchema.view.schema,
        audits: ["tool_schema.registered"], using: ToolSchemaParts.init
    ) { request, parts in
        let (given, schema) = (try request[.schemaTool] ?? request[.schemaToolName], try request[.toolSchema])
        guard let tool = given else { throw HTTPFailure.badRequest("Missing tool") }
        let (name, text, now) = (ExactText(tool), ExactText(schema.text), request.now)
        let audit = request.audit("Schema of a tool's arguments registered", ["tool": tool.cut(toBytes: 100)])
        try await change(parts, audit) { (schemas) throws(RecordRefusal) in
            schemas[name] = RegisteredSchema(text, createdAt: schemas[name]?.createdAt ?? now, updatedAt: now)
            guard ToolSchemas(schemas).hasRoom else { throw .aboveCeiling }
        }
        let stored = parts.ruleBook.snapshot.schemas.registered[name] ?? RegisteredSchema(text, createdAt: now, updatedAt: now)
        return EndpointResponse(json: .object(NamedSchema.view.json(NamedSchema(name, stored))))
    }

    static let removeToolSchema = Endpoint(
        .delete, "/admin/tools/schema", "Remove the schema of a tool's arguments.", for: .atLeast(.admin), query: [Field.removedSchemaTool],
        answer: View<String>([.text("removed", \.self)]), failures: [.notFound], audits: ["tool_schema.removed"],
        using: ToolSchemaParts.init
    ) { request, parts in
        let tool = try request[.removedSchemaTool]
        let audit = request.audit("Schema of a tool's arguments removed", ["tool": tool.cut(toBytes: 100)])
        try await change(parts, audit) { (schemas) throws(RecordRefusal) in
            guard schemas.removeValue(forKey: ExactText(tool)) != nil else { throw .state(unknown) }
        }
        return tool
    }

    private static func change(
        _ parts: ToolSchemaParts, _ audit: AuditEntry,
        _ change: @escaping @Sendable (inout [ExactText: RegisteredSchema]) throws(RecordRefusal) -> Void
    ) async throws {
        do {
            try await parts.set(Operation(audit: audit), change)
        } catch {
            throw failure(of: error)
        }
    }

    /// What is said of a schema that is not there.
    private static let unknown = "unknown schema"

    private static func failure(of refusal: RecordRefusal) -> HTTPFailure {
        switch refusal {
        case .state(unknown): .notFound("No schema is registered for this tool")
        case .aboveCeiling:
            .badRequest(
                "There may be at most \(RegisteredSchema.capacity) schemas with \(RegisteredSchema.mostBytes) bytes and \(ToolSchemas.mostPatterns) patterns together; remove one first"
            )
        default: refusal.failure
        }
    }
}

/// A schema with the tool that it is of.
private struct NamedSchema: Sendable {
    let tool: String
    let registered: RegisteredSchema

    init(_ tool: ExactText, _ registered: RegisteredSchema) { (self.tool, self.registered) = (tool.text, registered) }

    static let view = View<NamedSchema>([
        .text("toolName", \.tool), .of("schema", .object) { (try? JSONValue.parse($0.registered.text.text)) ?? [:] },
        .time("createdAt", \.registered.createdAt), .time("updatedAt", \.registered.updatedAt),
    ])
}

extension ValueKind where Value == JSONValue {
    /// A JSON schema of arguments, of the keywords that the gate checks.
    fileprivate static let argumentSchema = Self(
        Schema.map(of: Schema([:])).with("maxProperties", 64)
            .described("JSON Schema, \(ArgumentSchema.longest) bytes; a keyword that would forbid something and is not checked is refused.")
    ) { json throws(ValueFault) in
        guard json.objectValue.map({ $0.count <= 64 }) ?? false else { throw ValueFault("Must be a JSON schema: an object.") }
        _ = try ArgumentSchema(json)
        return json
    }
}

extension ValueKind where Value == String {
    fileprivate static let toolOfSchema = word(
        .string(1...ClientText.toolName), rule: "Must be a tool's name of 1–\(ClientText.toolName) bytes."
    ) {
        (1...ClientText.toolName).contains($0.utf8.count)
    }
}

extension Field where Value == String? {
    fileprivate static let schemaTool = Field<String>("tool", .toolOfSchema, "The tool, with its prefix where there are several servers.")
        .optional
    fileprivate static let schemaToolName = Field<String>("toolName", .toolOfSchema, "The same, for clients that call it so.").optional
}

extension Field where Value == String {
    fileprivate static let removedSchemaTool = Field("tool", .toolOfSchema, "The tool.")
}

extension Field where Value == JSONValue {
    fileprivate static let toolSchema = Field("schema", .argumentSchema, "What the arguments have to be.")
}
