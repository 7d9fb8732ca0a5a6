"""Opens sessions with the official MCP package, of either generation: 1.x, the installed base, and 2.x."""

import contextlib
import itertools

try:
    import httpx2 as httpx
except ImportError:
    import httpx

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

try:
    from mcp.shared.exceptions import MCPError
except ImportError:  # mcp 1.x
    from mcp.shared.exceptions import McpError as MCPError

try:
    from mcp import Client
except ImportError:  # mcp 1.x
    Client = None


class AlternatingNodes(httpx.AsyncBaseTransport):
    """Sends each request to the next node: what a balancer without sticky sessions does."""

    def __init__(self, addresses):
        # Its own pool would close a connection after five seconds, at times one that it has just given to a request.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60)
        self.inner = httpx.AsyncHTTPTransport(limits=limits)
        self.addresses = itertools.cycle([httpx.URL(address) for address in addresses])
        self.used = []

    async def handle_async_request(self, request):
        address = next(self.addresses)
        self.used.append((request.method, str(address), request.headers.get("mcp-session-id")))
        request.url = request.url.copy_with(host=address.host, port=address.port)
        request.headers["host"] = f"{address.host}:{address.port}"
        return await self.inner.handle_async_request(request)

    async def aclose(self):
        await self.inner.aclose()


def http_client(addresses, key):
    transport = AlternatingNodes(addresses)
    headers = {"X-API-Key": key} if key else {}
    return httpx.AsyncClient(transport=transport, headers=headers, timeout=httpx.Timeout(30, read=60)), transport


@contextlib.asynccontextmanager
async def connected(addresses, key, **callbacks):
    """A session after its handshake; `session.handshake` and `session.requests` tell how it came about."""
    client, transport = http_client(addresses, key)
    async with client, streamable_http_client(addresses[0] + "/mcp", http_client=client) as streams:
        async with ClientSession(streams[0], streams[1], **callbacks) as session:
            session.handshake = await session.initialize()
            session.requests = transport.used
            yield session


def member(model, *names):
    """A field by its name in 2.x or in 1.x."""
    for name in names:
        if hasattr(model, name):
            return getattr(model, name)
    raise AttributeError(names)


def text(result):
    assert not member(result, "is_error", "isError"), result
    return result.content[0].text


def error_of(failure):
    """Code, message and data of a JSON-RPC error."""
    return failure.error.code, failure.error.message, failure.error.data
