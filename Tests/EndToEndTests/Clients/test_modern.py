"""The official client (mcp 2.x) in the era without sessions through the gate to a server of the same era.

    test_modern.py KEY NODE [NODE]
"""

import asyncio
import contextlib
import json
import sys

from connection import MCPError, http_client, text
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from report import guarantee, run


@contextlib.asynccontextmanager
async def client(nodes, key, name="ada", **others):
    async def sampling(context, params):
        content = params.messages[0].content
        said = content.text if hasattr(content, "text") else content[0].text
        return types.CreateMessageResult(role="assistant", model="test", content=types.TextContent(type="text", text=f"{name} says {said}"))

    async def elicitation(context, params):
        return types.ElicitResult(action="accept", content={"name": name})

    async def roots(context):
        return types.ListRootsResult(roots=[types.Root(uri=f"file:///{name}")])

    http, transport = http_client(nodes, key)
    callbacks = {"sampling_callback": sampling, "elicitation_callback": elicitation, "list_roots_callback": roots} | others
    async with http, Client(streamable_http_client(nodes[0] + "/mcp", http_client=http), cache=None, **callbacks) as session:
        assert session.protocol_version == "2026-07-28", session.protocol_version
        session.requests = transport.used
        yield session


def silent(nodes, key, **options):
    return client(nodes, key, sampling_callback=None, elicitation_callback=None, list_roots_callback=None, **options)


@guarantee("tools, resources, templates, prompts and completion pass, with what the server says of how long they hold and for whom")
async def everything(key, nodes):
    async with silent(nodes, key) as session:
        assert session.instructions == "I am modern.", session.instructions
        tools = await session.list_tools()
        assert {"echo", "region"} <= {tool.name for tool in tools.tools} and tools.cache_scope == "private", tools
        listed = await session.list_prompts()
        assert {each.name for each in listed.prompts} == {"greet", "inquire"}
        assert listed.ttl_ms == 7000 and listed.cache_scope == "public", listed
        resources = await session.list_resources()
        assert resources.ttl_ms == 5000 and resources.cache_scope == "private", resources
        templates = (await session.list_resource_templates()).resource_templates
        assert {each.uri_template for each in templates} == {"test://item/{name}", "test://asked/{name}"}
        assert (await session.read_resource("test://one")).contents[0].text == "the one resource"
        assert (await session.get_prompt("greet", {"name": "ada"})).messages[0].content.text == "Greet ada"
        for node in range(2):
            completed = await session.complete(types.PromptReference(name="greet"), {"name": "name", "value": "a"})
            assert completed.completion.values == ["a-completed"], completed
        assert not any(id for _, _, id in session.requests)


@guarantee("50 calls at once over alternating nodes each get their own answer")
async def concurrent(key, nodes):
    async with silent(nodes, key) as session:
        answers = await asyncio.gather(*(session.call_tool("echo", {"text": f"answer {n} é 😀"}) for n in range(50)))
        assert [text(answer) for answer in answers] == [f"answer {n} é 😀" for n in range(50)]


@guarantee("an argument that a header repeats reaches the server in both, whatever it is")
async def mirrored(key, nodes):
    async with silent(nodes, key) as session:
        await session.list_tools()
        for region in ("us-east", " ö ", "=?base64?eA==?="):
            assert text(await session.call_tool("region", {"region": region, "text": "x"})) == f"x in {region}"


@guarantee("what a request says of itself reaches the server as it is")
async def described(key, nodes):
    async with silent(nodes, key) as session:
        said = json.loads(text(await session.call_tool("meta", {"text": "x"}, meta={"acme.example/trace": [1, {"a": "b"}]})))
        assert said.get("acme.example/trace") == [1, {"a": "b"}], said
        assert json.loads(text(await session.call_tool("declared", {}))) == {}
    async with client(nodes, key) as session:
        assert {"sampling", "elicitation", "roots"} <= set(json.loads(text(await session.call_tool("declared", {}))))


@guarantee("progress and logs come on the stream of the call that asked for them, from its level on")
async def words(key, nodes):
    seen, said = [], []

    async def note(progress, total, message):
        seen.append((progress, total))

    async def hear(params):
        said.append((params.level, params.data))

    async with silent(nodes, key, logging_callback=hear, log_level="warning") as session:
        assert text(await session.call_tool("slow", {"seconds": 0.3, "steps": 3}, progress_callback=note)) == "slow"
        for text_, level_ in (("quiet", "info"), ("loud", "error")):
            assert text(await session.call_tool("log", {"text": text_, "level": level_})) == "logged"
        await asyncio.sleep(0.1)
    assert seen == [(1, 3), (2, 3), (3, 3)] and said == [("error", "loud")], (seen, said)


@guarantee("sampling, elicitation and roots, one after the other and together, are rounds of one call, over whichever nodes they come")
async def asked(key, nodes):
    async with client(nodes, key) as session:
        assert text(await session.call_tool("sample", {"text": "hello"})) == "model: ada says hello"
        assert text(await session.call_tool("elicit", {"text": "who", "times": 3})) == "user: ada ada ada"
        assert text(await session.call_tool("roots", {})) == "roots: file:///ada"
        assert text(await session.call_tool("together", {})) == "ada, ada says hello, file:///ada"
        assert text(await session.call_tool("later", {"times": 3})) == "now"
        assert (await session.read_resource("test://asked/x")).contents[0].text == "for ada"
        assert (await session.get_prompt("inquire", {"name": "x"})).messages[0].content.text == "Inquire ada"
        calls = [session.call_tool("elicit", {"text": str(n), "times": 2}) for n in range(4)]
        assert [text(answer) for answer in await asyncio.gather(*calls)] == ["user: ada ada"] * 4


@guarantee("a client is asked nothing that it has not declared, and hears of it")
async def undeclared(key, nodes):
    async with silent(nodes, key) as session:
        try:
            result = await session.call_tool("greedy", {})
        except MCPError:
            return
        raise AssertionError(result)


@guarantee("changes of lists and of resources come on a listening stream")
async def listening(key, nodes):
    async with silent(nodes[:1], key) as session:
        async with session.listen(tools_list_changed=True, resource_subscriptions=["test://one"]) as stream:
            assert stream.honored.tools_list_changed and stream.honored.resource_subscriptions == ["test://one"], stream.honored
            assert text(await session.call_tool("change", {})) == "changed"
            assert isinstance(await anext(stream), ToolsListChanged)
            assert text(await session.call_tool("touch", {"uri": "test://two"})) == "touched"
            assert text(await session.call_tool("touch", {"uri": "test://one"})) == "touched"
            event = await anext(stream)
            assert isinstance(event, ResourceUpdated) and str(event.uri) == "test://one", event


@guarantee("a call that is given up ends at once")
async def cancellation(key, nodes):
    begun = asyncio.Event()

    async def note(progress, total, message):
        begun.set()

    async with silent(nodes, key) as session:
        call = asyncio.create_task(session.call_tool("slow", {"seconds": 600, "steps": 6000}, progress_callback=note))
        await begun.wait()
        call.cancel()
        await asyncio.wait([call], timeout=5)
        assert call.done()


asyncio.run(run(sys.argv[1], sys.argv[2:], within=60))
