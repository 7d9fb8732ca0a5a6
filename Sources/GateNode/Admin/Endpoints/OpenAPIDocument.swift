// The OpenAPI 3.1 document, generated from the table: what is served is documented, and nothing else.

import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// The description of the whole API.
enum OpenAPIDocument {
    static func document(of groups: [EndpointTable.Group]) -> JSONValue {
        let schemes = groups.flatMap(\.endpoints).flatMap(\.requirement.schemes).map { ($0.name, $0.definition) }.sorted { $0.0 < $1.0 }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "gate-node", "version": .string(ProductVersion.current),
                "description": "A gate for MCP servers: API keys, prices, limits, and an exact account of every tool call.",
            ],
            "tags": .array(groups.map { ["name": .string($0.tag), "description": .string($0.help)] }),
            "paths": .object(paths(of: groups)),
            "components": ["securitySchemes": .object(JSONObject(schemes)), "schemas": ["Error": errorSchema.json]],
        ]
    }

    private static func paths(of groups: [EndpointTable.Group]) -> JSONObject {
        var paths: [String: JSONObject] = [:]
        var order: [String] = []
        for group in groups {
            for endpoint in group.endpoints {
                let path = endpoint.pattern.template
                if paths[path] == nil { order.append(path) }
                paths[path, default: [:]][endpoint.method.rawValue.lowercased()] = .object(endpoint.operation(tag: group.tag))
            }
        }
        return JSONObject(order.map { ($0, paths[$0, default: [:]].json) })
    }

    private static let errorSchema: Schema = ["error": .string, "requestId": .string]
}

extension Endpoint {
    fileprivate func operation(tag: String) -> JSONObject {
        var operation: JSONObject = .of([
            "operationId": method.rawValue.lowercased() + pathName.prefix(1).uppercased() + pathName.dropFirst(),
            "summary": summary, "tags": [tag], "security": requirement.schemes.map { JSONObject([($0.name, .array([]))]) },
        ])
        let inputs = [("path", parameters), ("query", query), ("header", headers)].flatMap { place, fields in
            fields.map { $0.parameter(in: place) }
        }
        if !inputs.isEmpty { operation["parameters"] = .array(inputs) }
        if !body.isEmpty || reads.isRaw { operation["requestBody"] = requestBody }
        operation["responses"] = .object(responses)
        if let least = requirement.leastRole { operation["x-required-role"] = .string(least.rawValue) }
        if !audits.isEmpty { operation["x-audit-events"] = audits.json }
        return operation
    }

    private var requestBody: JSONValue {
        let fields = Schema(members: body.map { ($0.name, $0.isRequired ? $0.schema : $0.schema.maybe) })
        let schema = reads.isRaw ? .bytes : fields
        let types = reads.types.isEmpty ? ["*/*"] : reads.types
        return [
            "required": .bool(reads.isRaw || body.contains(where: \.isRequired)),
            "content": .object(JSONObject(types.map { ($0, ["schema": schema.json]) })),
        ]
    }

    private var responses: JSONObject {
        let content = media.map { type in
            (type, ["schema": type == MediaType.json ? answer.json : Schema.string.json] as JSONValue)
        }
        var responses: JSONObject = [:]
        for status in [success] + [otherSuccess].compactMap(\.self) {
            var page: JSONObject = ["description": .string(status.reasonPhrase)]
            if !content.isEmpty { page["content"] = .object(JSONObject(content)) }
            responses[String(status.code)] = .object(page)
        }
        for failure in failures { responses[String(failure.code)] = failure.errorResponse }
        return responses
    }
}

extension HTTPResponse.Status {
    fileprivate var errorResponse: JSONValue {
        var response: JSONObject = [
            "description": .string(reasonPhrase),
            "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]],
        ]
        if self == .tooManyRequests || self == .serviceUnavailable {
            response["headers"] = [
                "Retry-After": ["description": "Seconds until it is worth trying again.", "schema": Schema.integer(1...60).json]
            ]
        }
        return .object(response)
    }
}

extension DeclaredField {
    fileprivate func parameter(in place: String) -> JSONValue {
        ["name": .string(name), "in": .string(place), "required": .bool(isRequired), "schema": schema.json]
    }
}
