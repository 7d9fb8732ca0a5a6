"""The official client (mcp 1.x) through the gate to a server that asks its clients.

    test_asking.py KEY NODE [NODE]
"""

import asyncio
import json
import sys

from connection import connected, text
from mcp import types
from report import guarantee, run


def client(nodes, key, name, heard=None):
    async def sampling(context, params):
        said = types.TextContent(type="text", text=f"{name} says {params.messages[0].content.text}")
        return types.CreateMessageResult(role="assistant", model="test", content=said)

    async def elicitation(context, params):
        await asyncio.sleep(0.02)
        return types.ElicitResult(action="accept", content={"name": name})

    async def roots(context):
        return types.ListRootsResult(roots=[types.Root(uri=f"file:///{name}")])

    async def message(message):
        if heard is not None:
            heard.append(type(getattr(message, "root", message)).__name__)

    callbacks = {"sampling_callback": sampling, "elicitation_callback": elicitation, "list_roots_callback": roots}
    return connected(nodes, key, message_handler=message, **callbacks)


@guarantee("the server hears what this client has declared, and of another client what that one has")
async def declared(key, nodes):
    async with client(nodes, key, "ada") as session:
        capabilities = json.loads(text(await session.call_tool("declared", {})))
        assert set(capabilities) == {"sampling", "elicitation", "roots"}, capabilities
    async with connected(nodes, key) as session:
        assert json.loads(text(await session.call_tool("declared", {}))) == {}


@guarantee("sampling, elicitation and roots reach the client of the call, and their answers the server, over whichever node they come")
async def asked(key, nodes):
    async with client(nodes, key, "ada") as session:
        for _ in range(2):
            assert text(await session.call_tool("sample", {"text": "hello"})) == "model: ada says hello"
            assert text(await session.call_tool("elicit", {"text": "who", "times": 3})) == "user: ada ada ada"
            assert text(await session.call_tool("roots", {})) == "roots: file:///ada"
            assert text(await session.call_tool("roots", {"apart": True})) == "roots: file:///ada"


@guarantee("each of several clients with several calls at once is asked for its own calls")
async def several(key, nodes):
    async def one(name):
        async with client(nodes, key, name) as session:
            calls = [session.call_tool("elicit", {"text": str(n)}) for n in range(4)]
            calls += [session.call_tool("sample", {"text": str(n)}) for n in range(4)]
            answers = [text(answer) for answer in await asyncio.gather(*calls)]
            assert answers == [f"user: {name}"] * 4 + [f"model: {name} says {n}" for n in range(4)], answers

    await asyncio.gather(one("ada"), one("bob"), one("eve"))


@guarantee("a client that has declared nothing is not asked, and its server hears so at once")
async def undeclared(key, nodes):
    async with connected(nodes, key) as session:
        for tool in ("sample", "elicit"):
            result = await session.call_tool(tool, {"text": "x"})
            assert result.isError, result


asyncio.run(run(sys.argv[1], sys.argv[2:], within=60))
