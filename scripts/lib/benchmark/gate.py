"""A gate node as the benchmark runs it, and the few requests that it makes of one by itself."""

import json
import urllib.error
import urllib.request

from processes import Fault

ADMIN_KEY = "bench-admin-key"
TEXT = "What is the weather like in the place where this benchmark runs?"


def message(method, parameters=None):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters or {}})


CALL = message("tools/call", {"name": "echo", "arguments": {"text": TEXT}})
LIST = message("resources/list")
PING = message("ping")


class Node:
    """gate-node in front of an upstream: everything on, its logs too, only the limits by address off."""

    def __init__(self, workshop, binary, name, store, upstream, cores, *flags):
        self.process = workshop.start(name, [
            binary, "wrap", "--host", "127.0.0.1", "--port", "0", "--redis-url", store.url, "--admin-key", ADMIN_KEY,
            "--threads", str(len(cores)), "--price", "1", "--rate-limit", "0", "--admin-rate-limit", "0", "--session-rate-limit", "0",
            "--public-rate-limit", "0", *upstream, *flags], cores)
        self.port = self.process.listening_port()
        self.store = store

    def post(self, path, body, **headers):
        fields = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body.encode(), fields)
        return answer(request)

    def get(self, path, **headers):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return answer(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=fields))

    def new_key(self, credits):
        return self.change("/keys", name="bench", credits=credits)["key"]

    def change(self, path, **fields):
        """What an admin asks for; returns the answer."""
        return self.post(path, json.dumps(fields), X_Admin_Key=ADMIN_KEY)

    def mcp(self, body, key):
        return self.post("/mcp", body, MCP_Protocol_Version="2025-06-18", **({"X_API_Key": key} if key else {}))


def answer(request):
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Fault(f"{request.full_url} was answered {error.code}: {error.read().decode()[:500]}") from error
    except OSError as error:
        raise Fault(f"{request.full_url} cannot be reached: {error}") from error
