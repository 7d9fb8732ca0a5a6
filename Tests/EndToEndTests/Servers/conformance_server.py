"""An MCP server with what the scenarios of the official conformance suite ask for, made with the official Python package of either line; for tests.

    conformance_server.py PORT

With mcp 1.x it speaks the revisions with sessions, with mcp 2.x that of 2026-07-28, where asking is a result.
"""

import asyncio
import base64
import json
import sys

try:
    import mcp_types as types
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.prompts.base import UserMessage

    MODERN = True
    server = MCPServer("conformance-server")
except ImportError:
    from mcp import types
    from mcp.server.fastmcp import Context, FastMCP
    from mcp.server.fastmcp.prompts.base import UserMessage
    from pydantic import AnyUrl

    MODERN = False
    server = FastMCP("conformance-server", host="127.0.0.1", port=int(sys.argv[1]))

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nnot really").decode()
WAV = base64.b64encode(b"RIFFnot really").decode()
TEXT = {"type": "text", "text": "This is a simple text response for testing."}
EMBEDDED = {"type": "resource", "resource": {"uri": "test://embedded", "mimeType": "text/plain", "text": "This is embedded."}}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
TITLED = [{"const": "one", "title": "First"}, {"const": "two", "title": "Second"}]
ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["one", "two"]},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {"type": "string", "enum": ["one", "two"], "enumNames": ["First", "Second"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["one", "two"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
    "required": [],
}
KINDS = {"text": types.TextContent, "image": types.ImageContent, "audio": types.AudioContent, "resource": types.EmbeddedResource}


def block(content):
    return KINDS[content["type"]].model_validate(content)


def tool(*contents):
    def give():
        return [block(content) for content in contents]

    return give


for name, contents in {
    "simple_text": [TEXT],
    "image": [{"type": "image", "data": PNG, "mimeType": "image/png"}],
    "audio": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}],
    "embedded_resource": [EMBEDDED],
    "mixed": [TEXT, {"type": "image", "data": PNG, "mimeType": "image/png"}, EMBEDDED],
}.items():
    server.tool(name=name, description="Gives " + name, structured_output=False)(tool(*contents))


@server.tool()
async def with_logging(ctx: Context) -> str:
    """Says three things while it works."""
    for text in ("started", "processing", "completed"):
        await ctx.info("Tool execution " + text)
    return "logged"


@server.tool()
async def with_progress(ctx: Context) -> str:
    """Is done half way, and then wholly."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "done"


@server.tool()
def error() -> str:
    """Fails."""
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool()
async def slow(text: str) -> str:
    """Takes a while."""
    await asyncio.sleep(0.2)
    return text


def plain(answer):
    return json.dumps(answer.model_dump(mode="json", by_alias=True, exclude_none=True), sort_keys=True)


def asking(name, requests, rounds=1, state="state"):
    """A tool of the revision without sessions that asks in its results, and says what it was answered."""

    async def ask(ctx: Context) -> str | types.InputRequiredResult:
        if "user" in requests and ctx.client_capabilities.elicitation is None:
            raise ValueError("the client has not declared elicitation")
        turn = json.loads(ctx.request_state)["turn"] if ctx.request_state else 0
        said = ctx.input_responses or {}
        if turn and set(requests) <= set(said):
            if turn == rounds:
                return json.dumps({key: json.loads(plain(said[key])) for key in sorted(requests)})
        elif turn:
            turn -= 1
        return types.InputRequiredResult(input_requests=requests, request_state=json.dumps({"turn": turn + 1, "state": state}))

    server.tool(name=name, description="Asks", structured_output=False)(ask)
    return ask


if MODERN:

    def elicitation(schema):
        return types.ElicitRequest(params=types.ElicitRequestFormParams(message="Please say", requested_schema=schema))

    SAMPLING = types.CreateMessageRequest.model_validate(
        {"method": "sampling/createMessage", "params": {"messages": [{"role": "user", "content": TEXT}], "maxTokens": 100}}
    )
    asking("sampling", {"model": SAMPLING})
    asking("elicitation", {"user": elicitation(NAME)})
    asking("roots", {"roots": types.ListRootsRequest()})
    asking("together", {"user": elicitation(DEFAULTS), "model": SAMPLING, "roots": types.ListRootsRequest()})
    asking("twice", {"user": elicitation(ENUMS)}, rounds=2)

    @server.prompt()
    async def asked(ctx: Context) -> str | types.InputRequiredResult:
        if ctx.input_responses:
            return "for " + ctx.input_responses["user"].content["name"]
        return types.InputRequiredResult(input_requests={"user": elicitation(NAME)}, request_state="asked")

else:

    def eliciting(name, schema):
        async def ask(ctx: Context) -> str:
            return plain(await ctx.session.elicit("Please say", schema, related_request_id=ctx.request_id))

        server.tool(name=name, description="Asks", structured_output=False)(ask)

    eliciting("elicitation", NAME)
    eliciting("elicitation_defaults", DEFAULTS)
    eliciting("elicitation_enums", ENUMS)

    @server.tool(structured_output=False)
    async def sampling(ctx: Context) -> str:
        """Asks the client's model."""
        message = types.SamplingMessage.model_validate({"role": "user", "content": TEXT})
        return plain(await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id))

    @server._mcp_server.set_logging_level()
    async def set_level(level):
        pass

    @server._mcp_server.subscribe_resource()
    async def subscribe(uri):
        pass

    @server._mcp_server.unsubscribe_resource()
    async def unsubscribe(uri):
        pass


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    return base64.b64decode(PNG)


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True})


@server.prompt()
def simple() -> str:
    return "This is a simple prompt for testing."


@server.prompt()
def with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def with_embedded_resource(uri: str) -> list[UserMessage]:
    resource = {"type": "resource", "resource": {"uri": uri, "mimeType": "text/plain", "text": "Embedded for testing."}}
    return [UserMessage(content=block(resource)), UserMessage(content=block(TEXT))]


@server.prompt()
def with_image() -> list[UserMessage]:
    return [UserMessage(content=block({"type": "image", "data": PNG, "mimeType": "image/png"})), UserMessage(content=block(TEXT))]


@server.completion()
async def complete(ref, argument, context):
    return types.Completion.model_validate({"values": [argument.value + "st", argument.value + "am"], "total": 2, "hasMore": False})


if MODERN:
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run(transport="streamable-http")
