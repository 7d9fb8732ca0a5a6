"""The official client (mcp 1.x) with its session through the gate to a server of the era without sessions.

    test_bridged.py KEY stdio|http NODE [NODE]
"""

import asyncio
import sys

from connection import connected, text
from mcp import McpError, types
from pydantic import AnyUrl
from report import guarantee, run


@guarantee("the handshake is the gate's own, with what the server can and how it is to be used")
async def handshake(key, nodes, transport):
    async with connected(nodes, key) as session:
        told = session.handshake
        assert told.protocolVersion == "2025-11-25" and told.serverInfo.name == "gate-node", told
        assert told.capabilities.tools and told.capabilities.prompts and told.instructions == "I am modern.", told
        await session.send_ping()


@guarantee("tools, resources, templates, prompts and completion pass")
async def everything(key, nodes, transport):
    async with connected(nodes, key) as session:
        assert {"echo", "region"} <= {tool.name for tool in (await session.list_tools()).tools}
        assert text(await session.call_tool("region", {"region": "ö", "text": "x"})) == "x in ö"
        assert (await session.call_tool("fail", {})).isError
        assert (await session.read_resource(AnyUrl("test://one"))).contents[0].text == "the one resource"
        assert (await session.read_resource(AnyUrl("test://item/x"))).contents[0].text == "item x"
        assert {each.name for each in (await session.list_prompts()).prompts} == {"greet", "inquire"}
        assert (await session.get_prompt("greet", {"name": "ada"})).messages[0].content.text == "Greet ada"
        completed = await session.complete(types.PromptReference(type="ref/prompt", name="greet"), {"name": "name", "value": "a"})
        assert completed.completion.values == ["a-completed"], completed


@guarantee("progress reaches its call, and logs a session that has named a level, from that level on, on any node")
async def words(key, nodes, transport):
    seen, said = [], []

    async def note(progress, total, message):
        seen.append((progress, total))

    async def hear(params):
        said.append((params.level, params.data))

    async with connected(nodes, key, logging_callback=hear) as session:
        assert text(await session.call_tool("slow", {"seconds": 0.3, "steps": 3}, progress_callback=note)) == "slow"
        assert text(await session.call_tool("log", {"text": "unheard", "level": "error"})) == "logged"
        await session.set_logging_level("warning")
        # A node believes what it has read of a session for a second.
        await asyncio.sleep(1.2)
        for turn in range(2):
            assert text(await session.call_tool("log", {"text": "quiet", "level": "info"})) == "logged"
            assert text(await session.call_tool("log", {"text": "loud", "level": "error"})) == "logged"
        await asyncio.sleep(0.1)
    assert seen == [(1, 3), (2, 3), (3, 3)] and said == [("error", "loud")] * 2, (seen, said)


@guarantee("several questions at once, rounds of patience, and questions of prompts and resources are all answered")
async def asked(key, nodes, transport):
    async def sampling(context, params):
        return types.CreateMessageResult(
            role="assistant", model="test", content=types.TextContent(type="text", text="ada says " + params.messages[0].content.text)
        )

    async def elicitation(context, params):
        return types.ElicitResult(action="accept", content={"name": "ada"})

    async def roots(context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///ada")])

    callbacks = {"sampling_callback": sampling, "elicitation_callback": elicitation, "list_roots_callback": roots}
    async with connected(nodes, key, **callbacks) as session:
        assert text(await session.call_tool("together", {})) == "ada, ada says hello, file:///ada"
        assert text(await session.call_tool("later", {"times": 3})) == "now"
        assert (await session.read_resource(AnyUrl("test://asked/x"))).contents[0].text == "for ada"
        assert (await session.get_prompt("inquire", {"name": "x"})).messages[0].content.text == "Inquire ada"


@guarantee("a client that cannot be asked, or does not want to answer, gets an error that says so")
async def refused(key, nodes, transport):
    async def unwilling(context, params):
        return types.ErrorData(code=-1, message="not now")

    for callbacks in ({}, {"sampling_callback": unwilling}):
        async with connected(nodes, key, **callbacks) as session:
            try:
                await session.call_tool("greedy", {})
            except McpError as failure:
                assert failure.error.code == -32603, failure.error
            else:
                raise AssertionError("not refused")


@guarantee("a server that never has enough is given up after some rounds, and says why")
async def stubborn(key, nodes, transport):
    turns = []

    async def elicitation(context, params):
        turns.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "ada"})

    async with connected(nodes, key, elicitation_callback=elicitation) as session:
        try:
            await session.call_tool("stubborn", {})
        except McpError as failure:
            assert failure.error.code == -32603 and "more input" in failure.error.message, failure.error
        else:
            raise AssertionError("endless")
    assert len(turns) == 32, len(turns)


@guarantee("changes of lists come to every session, and changes of a resource to those that have subscribed, as long as they have")
async def listening(key, nodes, transport):
    async def message(heard, message):
        heard.append(type(getattr(message, "root", message)).__name__)

    async def until(heard, name):
        for _ in range(400):
            if name in heard:
                return
            await asyncio.sleep(0.025)
        raise AssertionError(f"no {name} in {heard}")

    one, two = [], []
    async with connected(nodes[:1], key, message_handler=lambda m: message(one, m)) as first:
        # On standard streams each node has a process of its own, which knows nothing of the others.
        others = nodes[-1:] if transport == "http" else nodes[:1]
        async with connected(others, key, message_handler=lambda m: message(two, m)) as second:
            await asyncio.sleep(0.3)
            await first.subscribe_resource(AnyUrl("test://one"))
            await second.call_tool("change", {})
            await until(one, "ToolListChangedNotification")
            await until(two, "ToolListChangedNotification")
            await second.call_tool("touch", {"uri": "test://one"})
            await until(one, "ResourceUpdatedNotification")
            await first.unsubscribe_resource(AnyUrl("test://one"))
            count = one.count("ResourceUpdatedNotification")
            await second.call_tool("touch", {"uri": "test://one"})
            await asyncio.sleep(0.3)
            assert one.count("ResourceUpdatedNotification") == count and "ResourceUpdatedNotification" not in two


asyncio.run(run(sys.argv[1], sys.argv[3:], sys.argv[2], within=60))
