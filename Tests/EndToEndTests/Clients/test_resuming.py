"""The official client, of either line, whose streams of calls break after their first event.

    test_resuming.py KEY NODE [NODE]
"""

import asyncio
import contextlib
import sys

from connection import AlternatingNodes, ClientSession, httpx, streamable_http_client, text
from mcp import types
from report import guarantee, run


class Cut(httpx.AsyncByteStream):
    """What has come of a stream up to its first event; then the line breaks."""

    def __init__(self, stream):
        self.stream = stream

    async def __aiter__(self):
        async for part in self.stream:
            yield part
            if b"data: " in part:
                raise httpx.ReadError("the line is cut")

    async def aclose(self):
        await self.stream.aclose()


class CuttingNodes(AlternatingNodes):
    cut = 0

    async def handle_async_request(self, request):
        response = await super().handle_async_request(request)
        if request.method == "POST" and response.headers.get("content-type", "").startswith("text/event-stream"):
            CuttingNodes.cut += 1
            response.stream = Cut(response.stream)
        return response


@contextlib.asynccontextmanager
async def connected(nodes, key, **callbacks):
    transport = CuttingNodes(nodes)
    client = httpx.AsyncClient(transport=transport, headers={"X-API-Key": key}, timeout=httpx.Timeout(30, read=60))
    async with client, streamable_http_client(nodes[0] + "/mcp", http_client=client) as streams:
        async with ClientSession(streams[0], streams[1], **callbacks) as session:
            await session.initialize()
            yield session


@guarantee("progress and the answer of a call whose stream broke arrive, each once and in order")
async def progress(key, nodes):
    heard = []

    async def note(progress, total, message):
        heard.append(progress)

    before = CuttingNodes.cut
    async with connected(nodes, key) as session:
        result = await session.call_tool("slow", {"seconds": 3, "steps": 10}, progress_callback=note)
        assert text(result) == "slow", result
    assert heard == list(range(1, 11)), heard
    assert CuttingNodes.cut == before + 1, CuttingNodes.cut


@guarantee("a server's questions reach the client of a call whose stream broke, each once")
async def questions(key, nodes):
    asked = []

    async def elicitation(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "ada"})

    before = CuttingNodes.cut
    async with connected(nodes, key, elicitation_callback=elicitation) as session:
        assert text(await session.call_tool("elicit", {"text": "who", "times": 3})) == "user: ada ada ada"
    assert asked == ["who 0", "who 1", "who 2"], asked
    assert CuttingNodes.cut == before + 1, CuttingNodes.cut


asyncio.run(run(sys.argv[1], sys.argv[2:], within=50))
