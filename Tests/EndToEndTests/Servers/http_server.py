"""An MCP server over Streamable HTTP, made with the official Python package; for tests.

    http_server.py PORT [stateless]

Tools: echo(text), add(a, b), slow(seconds, steps) with progress, fail(), big(kilobytes).
"""

import asyncio
import sys

try:
    from mcp.server.mcpserver import Context, MCPServer

    is_fastmcp = False
except ImportError:  # mcp 1.x, where it is called FastMCP
    from mcp.server.fastmcp import Context, FastMCP

    is_fastmcp = True

listening = {"host": "127.0.0.1", "port": int(sys.argv[1]), "stateless_http": "stateless" in sys.argv[2:]}
server = FastMCP("http-test-server", **listening) if is_fastmcp else MCPServer("http-test-server")


@server.tool()
def echo(text: str) -> str:
    """Gives the text back."""
    return text


@server.tool()
def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b


@server.tool()
async def slow(seconds: float, ctx: Context, steps: int = 0) -> str:
    """Answers after some seconds, with steps of progress on the way."""
    for step in range(max(steps, 1)):
        await asyncio.sleep(seconds / max(steps, 1))
        if steps:
            await ctx.report_progress(step + 1, steps)
    return f"Waited {seconds} s"


@server.tool()
def fail() -> str:
    """Fails; the answer is a result with isError."""
    raise ValueError("Failed on purpose")


@server.tool()
def big(kilobytes: int) -> str:
    """Answers with many kilobytes."""
    return "x" * (kilobytes * 1024)


if is_fastmcp:
    server.run(transport="streamable-http")
else:
    server.run(transport="streamable-http", **listening)
