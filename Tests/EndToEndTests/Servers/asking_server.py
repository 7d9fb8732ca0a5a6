"""An MCP server that asks its client, made with the official Python package (1.x); for tests.

    asking_server.py stdio|PORT [DIRECTORY]

Tools: echo(text), sample(text), elicit(text, times), ponder(text, steps, seconds), roots(apart), declared(), change(), touch(uri), wait(seconds), slow(seconds, steps) with progress,
chatter(text, steps), which asks and goes on with its progress when DIRECTORY/go is there,
log(text, level), meta(text). Resources: test://one, test://item/{name}, test://asked, which asks first; prompts: greet(name), inquire(name), which asks first; completion of its argument.
DIRECTORY/calls gets one line for each call that began, DIRECTORY/cancelled one for each that was cancelled, DIRECTORY/starts one a process.
"""

import asyncio
import json
import os
import sys

from mcp.server.fastmcp import Context, FastMCP
from mcp.types import Completion, SamplingMessage, TextContent
from pydantic import AnyUrl, BaseModel

directory = sys.argv[2] if len(sys.argv) > 2 else None
listening = {} if sys.argv[1] == "stdio" else {"host": "127.0.0.1", "port": int(sys.argv[1])}
server = FastMCP("asking-server", **listening)
subscribers = {}


def append(name, line):
    if directory:
        descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(descriptor, (line + "\n").encode())
        os.close(descriptor)


class Name(BaseModel):
    name: str


@server.tool()
def echo(text: str) -> str:
    """Gives the text back."""
    append("calls", "echo " + text)
    return text


@server.tool()
async def sample(text: str, ctx: Context) -> str:
    """Says what the client's model says."""
    append("calls", "sample " + text)
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    answer = await ctx.session.create_message([message], max_tokens=10, related_request_id=ctx.request_id)
    return "model: " + answer.content.text


@server.tool()
async def elicit(text: str, ctx: Context, times: int = 1) -> str:
    """Says what the user says, asked several times."""
    append("calls", "elicit " + text)
    said = []
    for turn in range(times):
        answer = await ctx.elicit(f"{text} {turn}", Name)
        said.append(answer.data.name if answer.action == "accept" else answer.action)
    return "user: " + " ".join(said)


@server.tool()
async def ponder(text: str, ctx: Context, steps: int = 1, seconds: float = 0.0) -> str:
    """Asks the user, and then works, with progress and a log message at each step."""
    await ctx.elicit(text, Name)
    append("calls", "ponder " + text)
    try:
        for step in range(steps):
            await ctx.report_progress(step + 1, steps)
            await ctx.info(f"step {step + 1}")
            await asyncio.sleep(seconds / steps)
    except asyncio.CancelledError:
        append("cancelled", "ponder")
        raise
    return "pondered"


@server.tool()
async def roots(ctx: Context, apart: bool = False) -> str:
    """Names the client's roots; asked apart from the call, where the transport makes a difference."""
    append("calls", "roots")
    if apart:
        return "roots: " + " ".join(str(root.uri) for root in (await ctx.session.list_roots()).roots)
    from mcp.types import ListRootsRequest, ListRootsResult, ServerRequest
    from mcp.shared.message import ServerMessageMetadata

    answer = await ctx.session.send_request(
        ServerRequest(ListRootsRequest()), ListRootsResult, metadata=ServerMessageMetadata(related_request_id=ctx.request_id)
    )
    return "roots: " + " ".join(str(root.uri) for root in answer.roots)


@server.tool()
def declared(ctx: Context) -> str:
    """The capabilities that the client has declared."""
    return json.dumps(ctx.session.client_params.capabilities.model_dump(exclude_none=True, by_alias=True), sort_keys=True)


@server.tool()
async def change(ctx: Context) -> str:
    """Says outside of any request that the list of tools has changed."""
    await ctx.session.send_tool_list_changed()
    return "changed"


@server.tool()
async def touch(uri: str, ctx: Context) -> str:
    """Says outside of any request that a resource has changed."""
    for session in subscribers.get(uri, []):
        await session.send_resource_updated(AnyUrl(uri))
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
async def slow(seconds: float, steps: int, ctx: Context, kilobytes: int = 0) -> str:
    """Answers after some seconds, with steps of progress on the way, and with so many kilobytes."""
    try:
        for step in range(steps):
            await asyncio.sleep(seconds / steps)
            await ctx.report_progress(step + 1, steps)
    except asyncio.CancelledError:
        append("cancelled", "slow")
        raise
    return "slow" + "~" * (kilobytes * 1024)


@server.tool()
async def chatter(text: str, steps: int, ctx: Context) -> str:
    """Asks the user, and goes on with its progress meanwhile, as soon as it may."""
    await ctx.report_progress(1, steps)
    asked = asyncio.create_task(ctx.elicit(text, Name))
    while not os.path.exists(os.path.join(directory, "go")):
        await asyncio.sleep(0.02)
    for step in range(1, steps):
        await ctx.report_progress(step + 1, steps)
        await asyncio.sleep(0.01)
    return "user: " + (await asked).data.name


@server.tool()
async def log(text: str, level: str, ctx: Context) -> str:
    """Says the text in a log message."""
    await ctx.log(level, text)
    return "logged"


@server.tool()
def meta(text: str, ctx: Context) -> str:
    """What the request has said of itself."""
    said = ctx.request_context.meta
    return json.dumps(said.model_dump(exclude_none=True, by_alias=True) if said else {}, sort_keys=True)


@server._mcp_server.subscribe_resource()
async def subscribe(uri):
    subscribers.setdefault(str(uri), []).append(server._mcp_server.request_context.session)


@server._mcp_server.unsubscribe_resource()
async def unsubscribe(uri):
    subscribers.pop(str(uri), None)


@server.resource("test://one")
def one() -> str:
    return "the one resource"


@server.resource("test://item/{name}")
def item(name: str) -> str:
    return "item " + name


@server.prompt()
def greet(name: str) -> str:
    return "Greet " + name


@server.resource("test://asked")
async def asked() -> str:
    append("calls", "asked")
    answer = await server.get_context().elicit("who reads", Name)
    return "for " + (answer.data.name if answer.action == "accept" else answer.action)


@server.prompt()
async def inquire(name: str) -> str:
    append("calls", "inquire " + name)
    answer = await server.get_context().elicit("who is " + name, Name)
    return "Inquire " + (answer.data.name if answer.action == "accept" else answer.action)


@server.completion()
async def complete(ref, argument, context):
    return Completion(values=[argument.value + "-completed"])


append("starts", str(os.getpid()))
server.run(transport="stdio" if sys.argv[1] == "stdio" else "streamable-http")
