"""The official client through the gate to mcp-server-time.

    test_time.py KEY NODE [NODE]
"""

import asyncio
import json
import sys

from connection import connected, member, text
from report import guarantee, run


@guarantee("issue 6: the tools of mcp-server-time are listed")
async def listing(key, nodes):
    async with connected(nodes, key) as session:
        names = {tool.name for tool in (await session.list_tools()).tools}
        assert {"get_current_time", "convert_time"} <= names, names


@guarantee("issue 6: its tools answer")
async def calls(key, nodes):
    async with connected(nodes, key) as session:
        now = json.loads(text(await session.call_tool("get_current_time", {"timezone": "Europe/Berlin"})))
        assert now["timezone"] == "Europe/Berlin", now
        times = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        converted = json.loads(text(await session.call_tool("convert_time", times)))
        assert "T21:00" in converted["target"]["datetime"], converted


@guarantee("issue 6: 200 concurrent calls of two clients each get their own answer")
async def concurrent(key, nodes):
    async def client(zones):
        async with connected(nodes, key) as session:
            calls = (session.call_tool("get_current_time", {"timezone": zones[n % len(zones)]}) for n in range(100))
            for n, answer in enumerate(await asyncio.gather(*calls)):
                assert json.loads(text(answer))["timezone"] == zones[n % len(zones)]

    await asyncio.gather(client(["UTC", "Asia/Tokyo", "Europe/Paris"]), client(["America/Lima", "Africa/Cairo"]))


@guarantee("F-CREDIT-03: an error of its tools is a result with isError")
async def errors(key, nodes):
    async with connected(nodes, key) as session:
        result = await session.call_tool("get_current_time", {"timezone": "Nowhere/AtAll"})
        assert member(result, "is_error", "isError"), result


asyncio.run(run(sys.argv[1], sys.argv[2:], within=60))
