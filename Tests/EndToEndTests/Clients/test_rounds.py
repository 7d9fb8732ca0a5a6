"""The official client (mcp 2.x) in the era without sessions through the gate to a server of the era with them that asks its clients.

    test_rounds.py KEY NODE [NODE]
"""

import asyncio
import contextlib
import json
import sys

from connection import http_client, text
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from report import guarantee, run


@contextlib.asynccontextmanager
async def client(nodes, key, name, **others):
    async def sampling(context, params):
        content = params.messages[0].content
        said = content.text if hasattr(content, "text") else content[0].text
        return types.CreateMessageResult(role="assistant", model="test", content=types.TextContent(type="text", text=f"{name} says {said}"))

    async def elicitation(context, params):
        await asyncio.sleep(0.02)
        return types.ElicitResult(action="accept", content={"name": name})

    async def roots(context):
        return types.ListRootsResult(roots=[types.Root(uri=f"file:///{name}")])

    http, transport = http_client(nodes, key)
    callbacks = {"sampling_callback": sampling, "elicitation_callback": elicitation, "list_roots_callback": roots} | others
    async with http, Client(streamable_http_client(nodes[0] + "/mcp", http_client=http), cache=None, **callbacks) as session:
        assert session.protocol_version == "2026-07-28"
        yield session


@guarantee("the server hears what the requests of this client declare, and of another client what those do")
async def declared(key, nodes):
    async with client(nodes, key, "ada") as session:
        assert set(json.loads(text(await session.call_tool("declared", {})))) == {"sampling", "elicitation", "roots"}
    async with client(nodes, key, "ada", sampling_callback=None, list_roots_callback=None) as session:
        assert set(json.loads(text(await session.call_tool("declared", {})))) == {"elicitation"}


@guarantee("sampling, elicitation and roots are rounds of one call, over whichever nodes they come")
async def asked(key, nodes):
    async with client(nodes, key, "ada") as session:
        for _ in range(2):
            assert text(await session.call_tool("sample", {"text": "hello"})) == "model: ada says hello"
            assert text(await session.call_tool("elicit", {"text": "who", "times": 3})) == "user: ada ada ada"
            assert text(await session.call_tool("roots", {})) == "roots: file:///ada"
        assert text(await session.call_tool("echo", {"text": "x"})) == "x"


@guarantee("several calls at once get their own answers")
async def several(key, nodes):
    async with client(nodes, key, "eve") as session:
        calls = [session.call_tool("elicit", {"text": str(n), "times": 2}) for n in range(3)]
        calls += [session.call_tool("sample", {"text": str(n)}) for n in range(3)]
        answers = [text(answer) for answer in await asyncio.gather(*calls)]
        assert answers == ["user: eve eve"] * 3 + [f"model: eve says {n}" for n in range(3)], answers


@guarantee("a client that can be asked hears on its listening stream what its calls have changed")
async def listening(key, nodes):
    async with client(nodes[:1], key, "ada") as session:
        async with session.listen(tools_list_changed=True, resource_subscriptions=["test://one"]) as stream:
            assert text(await session.call_tool("change", {})) == "changed"
            assert isinstance(await anext(stream), ToolsListChanged)
            assert text(await session.call_tool("touch", {"uri": "test://one"})) == "touched"
            assert isinstance(await anext(stream), ResourceUpdated)


@guarantee("a client that can be asked less is not asked the rest")
async def less(key, nodes):
    async with client(nodes, key, "ada", sampling_callback=None) as session:
        assert (await session.call_tool("sample", {"text": "x"})).is_error


asyncio.run(run(sys.argv[1], sys.argv[2:], within=60))
