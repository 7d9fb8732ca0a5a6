"""An MCP server of the revision 2026-07-28 that asks its client, made with the official Python package (2.x); for tests.

    modern_server.py stdio|PORT [DIRECTORY]

Tools as those of asking_server.py: echo(text), sample(text), elicit(text, times), roots(apart), declared(), change(), touch(uri), wait(seconds), slow(seconds, steps) with
progress, log(text, level), meta(text). Besides: region(region, text) with an argument that a header repeats; together(), which asks three things at once; later(times),
which wants to be asked again; stubborn(), which never has enough; greedy(), which asks whether or not the client can be asked; fail().
Resources: test://one, test://item/{name}, test://asked/{name}, which asks first; prompts: greet(name), inquire(name), which asks first; completion of its argument.
DIRECTORY/calls gets one line for each call that began, DIRECTORY/cancelled one for each that was cancelled.
"""

import asyncio
import json
import os
import sys
from typing import Annotated

from mcp.server.caching import CacheHint
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    Completion,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)
from pydantic import Field

directory = sys.argv[2] if len(sys.argv) > 2 else None
server = MCPServer(
    "modern-server",
    instructions="I am modern.",
    cache_hints={"prompts/list": CacheHint(ttl_ms=7000, scope="public"), "resources/list": CacheHint(ttl_ms=5000, scope="private")},
)


def append(name, line):
    if directory:
        descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(descriptor, (line + "\n").encode())
        os.close(descriptor)


def question(text):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return ElicitRequest(params=ElicitRequestFormParams(message=text, requested_schema=schema))


def sampling(text):
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=10))


def need(ctx, name):
    if getattr(ctx.client_capabilities, name, None) is None:
        raise ToolError("the client has no " + name)


def name_in(answer):
    return answer.content["name"] if answer.action == "accept" else answer.action


@server.tool()
def echo(text: str) -> str:
    """Gives the text back."""
    append("calls", "echo " + text)
    return text


@server.tool()
def fail() -> str:
    """Fails."""
    raise ToolError("failed")


@server.tool()
async def sample(text: str, ctx: Context) -> str | InputRequiredResult:
    """Says what the client's model says."""
    need(ctx, "sampling")
    if not ctx.input_responses:
        append("calls", "sample " + text)
        return InputRequiredResult(input_requests={"model": sampling(text)}, request_state="sampled")
    return "model: " + ctx.input_responses["model"].content.text


@server.tool()
async def elicit(text: str, ctx: Context, times: int = 1) -> str | InputRequiredResult:
    """Says what the user says, asked several times."""
    need(ctx, "elicitation")
    said = json.loads(ctx.request_state) if ctx.request_state else []
    if ctx.input_responses:
        said.append(name_in(ctx.input_responses[f"who-{len(said)}"]))
    else:
        append("calls", "elicit " + text)
    if len(said) == times:
        return "user: " + " ".join(said)
    return InputRequiredResult(input_requests={f"who-{len(said)}": question(f"{text} {len(said)}")}, request_state=json.dumps(said))


@server.tool()
async def roots(ctx: Context, apart: bool = False) -> str | InputRequiredResult:
    """Names the client's roots."""
    need(ctx, "roots")
    if not ctx.input_responses:
        append("calls", "roots")
        return InputRequiredResult(input_requests={"roots": ListRootsRequest()})
    return "roots: " + " ".join(str(root.uri) for root in ctx.input_responses["roots"].roots)


@server.tool()
async def together(ctx: Context) -> str | InputRequiredResult:
    """Asks three things at once."""
    if not ctx.input_responses:
        append("calls", "together")
        asked = {"who": question("who"), "model": sampling("hello"), "roots": ListRootsRequest()}
        return InputRequiredResult(input_requests=asked, request_state="together")
    said = ctx.input_responses
    return f"{name_in(said['who'])}, {said['model'].content.text}, {said['roots'].roots[0].uri}"


@server.tool()
async def later(times: int, ctx: Context) -> str | InputRequiredResult:
    """Wants to be asked again."""
    turn = int(ctx.request_state or 0)
    append("calls", f"later {turn}")
    return "now" if turn == times else InputRequiredResult(request_state=str(turn + 1))


@server.tool()
async def stubborn(ctx: Context) -> str | InputRequiredResult:
    """Never has enough."""
    append("calls", "stubborn")
    return InputRequiredResult(input_requests={"who": question("again")}, request_state="again")


@server.tool()
async def greedy(ctx: Context) -> str | InputRequiredResult:
    """Asks whether or not the client can be asked."""
    if not ctx.input_responses:
        append("calls", "greedy")
        return InputRequiredResult(input_requests={"model": sampling("give")}, request_state="greedy")
    return "got it"


@server.tool()
def region(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], text: str) -> str:
    """Has an argument that a header repeats."""
    return f"{text} in {region}"


@server.tool()
def declared(ctx: Context) -> str:
    """The capabilities that the client has declared."""
    return json.dumps(ctx.client_capabilities.model_dump(exclude_none=True, by_alias=True), sort_keys=True)


@server.tool()
async def change(ctx: Context) -> str:
    """Says that the list of tools has changed."""
    await ctx.notify_tools_changed()
    return "changed"


@server.tool()
async def touch(uri: str, ctx: Context) -> str:
    """Says that a resource has changed."""
    await ctx.notify_resource_updated(uri)
    return "touched"


@server.tool()
async def wait(seconds: float) -> str:
    """Answers after some seconds."""
    append("calls", "wait")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        append("cancelled", "wait")
        raise
    return "waited"


@server.tool()
async def slow(seconds: float, steps: int, ctx: Context) -> str:
    """Answers after some seconds, with steps of progress on the way."""
    try:
        for step in range(steps):
            await asyncio.sleep(seconds / steps)
            await ctx.report_progress(step + 1, steps)
    except asyncio.CancelledError:
        append("cancelled", "slow")
        raise
    return "slow"


@server.tool()
async def log(text: str, level: str, ctx: Context) -> str:
    """Says the text in a log message."""
    await ctx.log(level, text)
    return "logged"


@server.tool()
def meta(text: str, ctx: Context) -> str:
    """What the request has said of itself."""
    return json.dumps(dict(ctx.request_context.meta or {}), sort_keys=True, default=str)


@server.resource("test://one")
def one() -> str:
    return "the one resource"


@server.resource("test://item/{name}")
def item(name: str) -> str:
    return "item " + name


@server.resource("test://asked/{name}")
async def asked(name: str, ctx: Context) -> str | InputRequiredResult:
    if not ctx.input_responses:
        append("calls", "asked")
        return InputRequiredResult(input_requests={"who": question("who reads")}, request_state="asked")
    return "for " + name_in(ctx.input_responses["who"])


@server.prompt()
def greet(name: str) -> str:
    return "Greet " + name


@server.prompt()
async def inquire(name: str, ctx: Context) -> str | InputRequiredResult:
    if not ctx.input_responses:
        append("calls", "inquire " + name)
        return InputRequiredResult(input_requests={"who": question("who is " + name)}, request_state="asked")
    return "Inquire " + name_in(ctx.input_responses["who"])


@server.completion()
async def complete(ref, argument, context):
    return Completion(values=[argument.value + "-completed"])


if sys.argv[1] == "stdio":
    server.run(transport="stdio")
else:
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
