"""The official client (mcp 1.x) with a reference server from PyPI: on its standard streams, and through the gate; what both say is compared.

    test_reference.py git|fetch|sqlite|time DIRECTORY KEY NODE

DIRECTORY/repository is a repository; the server behind the gate has a database of its own.
"""

import asyncio
import contextlib
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from connection import connected
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from report import guarantee, run

name, directory = sys.argv[1], sys.argv[2]


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<html><head><title>t</title></head><body><article><h1>Hello</h1><p>" + b"A paragraph of words. " * 40 + b"</p></article></body></html>"
        self.send_response(200 if self.path != "/robots.txt" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


pages = HTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=pages.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{pages.server_port}/page"
REPOSITORY = directory + "/repository"

ARGUMENTS = {"git": ["--repository", REPOSITORY], "fetch": [], "sqlite": ["--db-path", directory + "/direct.db"], "time": []}
CALLS = {
    "git": [
        ("git_status", {"repo_path": REPOSITORY}),
        ("git_log", {"repo_path": REPOSITORY, "max_count": 5}),
        ("git_show", {"repo_path": REPOSITORY, "revision": "HEAD"}),
        ("git_diff_unstaged", {"repo_path": REPOSITORY}),
        ("git_status", {"repo_path": "/nowhere"}),
    ],
    "fetch": [
        ("fetch", {"url": URL}),
        ("fetch", {"url": URL, "raw": True, "max_length": 50}),
        ("fetch", {"url": "http://127.0.0.1:1/"}),
        ("fetch", {}),
    ],
    "sqlite": [
        ("create_table", {"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"}),
        ("write_query", {"query": "INSERT INTO t (name) VALUES ('ada'), ('böb 😀')"}),
        ("read_query", {"query": "SELECT * FROM t ORDER BY id"}),
        ("list_tables", {}),
        ("describe_table", {"table_name": "t"}),
        ("append_insight", {"insight": "There are two."}),
        ("read_query", {"query": "DROP TABLE t"}),
        ("no_such_tool", {}),
    ],
    "time": [
        ("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
        ("get_current_time", {"timezone": "Nowhere/AtAll"}),
        ("convert_time", {"source_timezone": "UTC"}),
    ],
}


@contextlib.asynccontextmanager
async def direct():
    command = os.path.join(os.path.dirname(sys.executable), "mcp-server-" + name)
    parameters = StdioServerParameters(command=command, args=ARGUMENTS[name])
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        session.handshake = await session.initialize()
        yield session


async def said(asking):
    """What was answered, or with which error."""
    try:
        told = (await asking).model_dump(mode="json", by_alias=True, exclude_none=True)
    except Exception as failure:
        return {"error": failure.error.code}
    for tool in told.get("tools", []):
        tool.pop("_pricing", None)
    return told


@guarantee("capabilities, tools, resources and prompts of the server are those that the gate tells of")
async def lists(key, nodes):
    async with direct() as server, connected(nodes, key) as gate:
        theirs = server.handshake.capabilities.model_dump(exclude_none=True)
        ours = gate.handshake.capabilities.model_dump(exclude_none=True)
        assert set(theirs) - {"experimental"} <= set(ours), (theirs, ours)
        assert await said(server.list_tools()) == await said(gate.list_tools())
        for kind in ("prompts", "resources"):
            if kind in theirs:
                assert await said(getattr(server, "list_" + kind)()) == await said(getattr(gate, "list_" + kind)())


@guarantee("each call is answered by the server through the gate as by the server itself, failures among them")
async def calls(key, nodes):
    async with direct() as server, connected(nodes, key) as gate:
        for tool, arguments in CALLS[name]:
            own, told = await said(server.call_tool(tool, arguments)), await said(gate.call_tool(tool, arguments))
            if tool == "no_such_tool":
                assert told.get("error") or told.get("isError"), told
            else:
                assert own == told, (tool, own, told)


asyncio.run(run(sys.argv[3], sys.argv[4:], within=90))
