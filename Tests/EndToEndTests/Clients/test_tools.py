"""The official client through the gate to a server with the tools echo, add, slow, fail and big.

    test_tools.py KEY NODE [NODE]
"""

import asyncio
import sys
import time

from connection import Client, MCPError, connected, error_of, member, text
from report import guarantee, run


@guarantee("F-MCP-01 the handshake agrees on a 2025 revision and names the gate")
async def handshake(key, nodes):
    async with connected(nodes, key) as session:
        version = member(session.handshake, "protocol_version", "protocolVersion")
        assert version in ("2025-03-26", "2025-06-18", "2025-11-25"), version
        assert member(session.handshake, "server_info", "serverInfo").name
        assert session.handshake.capabilities.tools is not None


@guarantee("F-REG-01 tools/list keeps what the server says of its tools, and adds _pricing")
async def listing(key, nodes):
    async with connected(nodes, key) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert {"echo", "add", "slow", "fail", "big"} <= set(tools), tools
        assert member(tools["echo"], "input_schema", "inputSchema")["properties"]["text"]["type"] == "string"
        pricing = (tools["add"].model_extra or {}).get("_pricing")
        # A client may drop members that it does not know; what it keeps has to be right.
        assert pricing is None or pricing["name"] == "add" and pricing["creditsPerCall"] == 1, pricing


@guarantee("design 6: 200 concurrent calls of one session each get their own answer")
async def concurrent(key, nodes):
    async with connected(nodes, key) as session:
        answers = await asyncio.gather(*(session.call_tool("echo", {"text": f"answer {n} é 😀"}) for n in range(200)))
        assert [text(answer) for answer in answers] == [f"answer {n} é 😀" for n in range(200)]


@guarantee("F33, F-MCP-10: two clients that use the same request ids get their own answers")
async def equal_ids(key, nodes):
    async def client(name):
        async with connected(nodes, key) as session:
            for n in range(25):
                answers = await asyncio.gather(*(session.call_tool("echo", {"text": f"{name} {n} {m}"}) for m in range(4)))
                assert [text(answer) for answer in answers] == [f"{name} {n} {m}" for m in range(4)], name

    await asyncio.gather(client("first"), client("second"))


@guarantee("MCP 2025-11-25 Progress: progress reaches the handler of the call that asked for it, and no other")
async def progress(key, nodes):
    async def slow(session, steps):
        seen = []

        async def note(progress, total, message):
            seen.append((progress, total))

        text(await session.call_tool("slow", {"seconds": 0.3, "steps": steps}, progress_callback=note))
        return seen

    async with connected(nodes, key) as first, connected(nodes, key) as second:
        seen = await asyncio.gather(slow(first, 3), slow(second, 4), slow(first, 5))
        assert seen == [[(step, steps) for step in range(1, steps + 1)] for steps in (3, 4, 5)], seen


@guarantee("F-MCP-11: a result of 5 MB arrives whole")
async def big(key, nodes):
    async with connected(nodes, key) as session:
        # FastMCP sends the text twice, as content and as structured content: 10 MB, still below the gate's cap of 10 MiB.
        kilobytes = 5_000_000 // 1024 + 1
        assert text(await session.call_tool("big", {"kilobytes": kilobytes})) == "x" * (kilobytes * 1024)


@guarantee("F-CREDIT-03: an error of a tool is a result with isError")
async def errors(key, nodes):
    async with connected(nodes, key) as session:
        result = await session.call_tool("fail", {"kind": "isError"})
        assert member(result, "is_error", "isError") and result.content, result


@guarantee("F-RPC-01, F-RPC-11: a denial is an MCP error with code -32402 and its x402 data")
async def denial(key, nodes):
    async with connected(nodes, None) as session:
        await session.list_tools()
        try:
            await session.call_tool("echo", {"text": "x"})
        except MCPError as failure:
            code, message, data = error_of(failure)
            assert code == -32402 and message == "Payment required: missing_api_key", failure
            assert data["reason"] == "missing_api_key" and data["x402"]["scheme"] == "credits", data
        else:
            raise AssertionError("not denied")


@guarantee("MCP 2025-11-25 Cancellation: a cancelled call ends at once, and the session goes on")
async def cancellation(key, nodes):
    async with connected(nodes, key) as session:
        call = asyncio.create_task(session.call_tool("slow", {"seconds": 2}))
        await asyncio.sleep(0.3)
        start = time.monotonic()
        call.cancel()
        await asyncio.wait([call], timeout=1)
        assert call.done() and time.monotonic() - start < 1
        assert text(await session.call_tool("echo", {"text": "still here"})) == "still here"


@guarantee("MCP ping is answered by the gate")
async def ping(key, nodes):
    async with connected(nodes, key) as session:
        await session.send_ping()


@guarantee("F-MCP-06: one session serves requests on every node, whichever comes next")
async def alternating(key, nodes):
    async with connected(nodes, key) as session:
        for n in range(20):
            assert text(await session.call_tool("echo", {"text": str(n)})) == str(n)
        assert len({session_id for _, _, session_id in session.requests if session_id}) == 1, session.requests
        posts = [address for method, address, _ in session.requests if method == "POST"]
        assert all(posts.count(address) >= 5 for address in nodes), session.requests


@guarantee("mcp-notes 1: a client that looks for the stateless era first finds it")
async def stateless(key, nodes):
    if Client is None:
        return
    from connection import http_client
    from mcp.client.streamable_http import streamable_http_client

    client, _ = http_client(nodes, key)
    async with client:
        async with Client(streamable_http_client(nodes[0] + "/mcp", http_client=client)) as session:
            assert session.protocol_version == "2026-07-28", session.protocol_version
            assert text(await session.call_tool("echo", {"text": "hello"})) == "hello"


asyncio.run(run(sys.argv[1], sys.argv[2:]))
