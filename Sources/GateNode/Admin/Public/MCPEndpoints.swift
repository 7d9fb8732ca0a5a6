// /mcp as the documentation shows it. The front handler answers it on the event loop of its connection; the router never does.

import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let postMCP = Endpoint(
        .post, "/mcp", "Send one JSON-RPC 2.0 message; the answer is JSON or an event stream.", for: .apiKey,
        answer: Schema(["type": "object", "description": "A JSON-RPC 2.0 response; denials are errors inside a 200."]),
        media: [MediaType.json, "text/event-stream"], failures: [.notFound, .requestTimeout, .serviceUnavailable, .tooManyRequests],
        audits: [SessionNotes.Event.created.rawValue])

    static let getMCP = Endpoint(
        .get, "/mcp", "Open the event stream of a session.", for: .apiKey, answer: .string, media: ["text/event-stream"],
        failures: [.methodNotAllowed, .tooManyRequests, .serviceUnavailable])

    static let deleteMCP = Endpoint(
        .delete, "/mcp", "End a session.", for: .apiKey, answer: ["message": .string],
        failures: [.badRequest, .notFound, .serviceUnavailable], audits: [SessionNotes.Event.destroyed.rawValue])
}
