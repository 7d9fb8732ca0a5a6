"""The official client (mcp 2.x) in the era without sessions through the gate to a server of the era with them.

    test_stateless.py KEY NODE [NODE]
"""

import asyncio
import contextlib
import json
import sys

from connection import MCPError, http_client, text
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from report import guarantee, run


@contextlib.asynccontextmanager
async def connected(nodes, key, **options):
    http, transport = http_client(nodes, key)
    async with http, Client(streamable_http_client(nodes[0] + "/mcp", http_client=http), cache=None, **options) as session:
        session.requests = transport.used
        yield session


@guarantee("the revision is found, names the gate and what its server can, and leaves no session")
async def discovery(key, nodes):
    async with connected(nodes, key) as session:
        assert session.protocol_version == "2026-07-28", session.protocol_version
        assert session.server_info.name == "gate-node", session.server_info
        assert session.server_capabilities.tools and session.server_capabilities.resources, session.server_capabilities
        await session.list_tools()
        assert {method for method, _, _ in session.requests} == {"POST"} and not any(id for _, _, id in session.requests)


@guarantee("tools, resources, templates, prompts and completion of a server of the other era pass")
async def everything(key, nodes):
    async with connected(nodes, key) as session:
        tools = await session.list_tools()
        assert {"echo", "wait"} <= {tool.name for tool in tools.tools} and tools.cache_scope == "private", tools
        assert [str(each.uri) for each in (await session.list_resources()).resources] == ["test://one", "test://asked"]
        assert [each.uri_template for each in (await session.list_resource_templates()).resource_templates] == ["test://item/{name}"]
        assert (await session.read_resource("test://one")).contents[0].text == "the one resource"
        assert [each.name for each in (await session.list_prompts()).prompts] == ["greet", "inquire"]
        assert (await session.get_prompt("greet", {"name": "ada"})).messages[0].content.text == "Greet ada"
        assert (await session.read_resource("test://item/%C3%A9")).contents[0].text.startswith("item")


@guarantee("50 calls at once over alternating nodes each get their own answer")
async def concurrent(key, nodes):
    async with connected(nodes, key) as session:
        answers = await asyncio.gather(*(session.call_tool("echo", {"text": f"answer {n} é 😀"}) for n in range(50)))
        assert [text(answer) for answer in answers] == [f"answer {n} é 😀" for n in range(50)]
        assert all(sum(address == node for _, address, _ in session.requests) >= 20 for node in nodes), session.requests


@guarantee("progress comes on the stream of the call that asked for it")
async def progress(key, nodes):
    seen = []

    async def note(progress, total, message):
        seen.append((progress, total))

    async with connected(nodes, key) as session:
        assert text(await session.call_tool("slow", {"seconds": 0.3, "steps": 3}, progress_callback=note)) == "slow"
    assert seen == [(1, 3), (2, 3), (3, 3)], seen


@guarantee("log messages come to a call that asks for them, from its level on, and to no other")
async def logs(key, nodes):
    said = []

    async def note(params):
        said.append((params.level, params.data))

    for level, expected in ((None, []), ("warning", [("error", "loud")])):
        async with connected(nodes, key, logging_callback=note, log_level=level) as session:
            for text_, level_ in (("quiet", "info"), ("loud", "error")):
                assert text(await session.call_tool("log", {"text": text_, "level": level_})) == "logged"
            await asyncio.sleep(0.1)
        assert said == expected, said


@guarantee("nothing of what a request says of itself reaches the server, which has had a handshake")
async def meta(key, nodes):
    async with connected(nodes, key) as session:
        said = json.loads(text(await session.call_tool("meta", {"text": "x"}, meta={"acme.example/trace": [1, {"a": "b"}]})))
        assert said.get("acme.example/trace") == [1, {"a": "b"}], said
        assert not [name for name in said if name.startswith("io.modelcontextprotocol/")], said


@guarantee("a server that asks a client which cannot be asked hears so at once")
async def unasked(key, nodes):
    async with connected(nodes, key) as session:
        assert (await session.call_tool("sample", {"text": "x"})).is_error


@guarantee("a call that is given up ends at once")
async def cancellation(key, nodes):
    begun = asyncio.Event()

    async def note(progress, total, message):
        begun.set()

    async with connected(nodes, key) as session:
        call = asyncio.create_task(session.call_tool("slow", {"seconds": 600, "steps": 6000}, progress_callback=note))
        await begun.wait()
        call.cancel()
        await asyncio.wait([call], timeout=5)
        assert call.done()


@guarantee("changes of lists and of resources come on a listening stream, and only those that were asked for")
async def listening(key, nodes):
    async with connected(nodes[:1], key) as session:
        async with session.listen(tools_list_changed=True, resource_subscriptions=["test://one"]) as stream:
            assert stream.honored.tools_list_changed and stream.honored.resource_subscriptions == ["test://one"], stream.honored
            assert text(await session.call_tool("change", {})) == "changed"
            assert isinstance(await anext(stream), ToolsListChanged)
            assert text(await session.call_tool("touch", {"uri": "test://one"})) == "touched"
            event = await anext(stream)
            assert isinstance(event, ResourceUpdated) and str(event.uri) == "test://one", event


@guarantee("F-RPC-01: a denial keeps its code and data")
async def denial(key, nodes):
    async with connected(nodes, None) as session:
        try:
            await session.call_tool("echo", {"text": "x"})
        except MCPError as failure:
            assert failure.error.code == -32402 and failure.error.data["reason"] == "missing_api_key", failure.error
        else:
            raise AssertionError("not denied")


asyncio.run(run(sys.argv[1], sys.argv[2:]))
