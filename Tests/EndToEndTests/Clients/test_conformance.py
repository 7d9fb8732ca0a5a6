"""The scenarios of the official conformance suite for servers, as raw HTTP: each is asked of the server itself and of every node, and the answers compared.

    test_conformance.py 2025-11-25|2026-07-28 SERVER KEY NODE [NODE]
"""

import asyncio
import copy
import json
import sys

try:
    import httpx2 as httpx
except ImportError:
    import httpx

from report import GUARANTEES, run

META = "io.modelcontextprotocol/"
CAPABILITIES = {"sampling": {}, "elicitation": {}, "roots": {}}
ANSWERS = {
    "sampling/createMessage": {"role": "assistant", "model": "test-model", "content": {"type": "text", "text": "This is a test response"}},
    "elicitation/create": {"action": "accept", "content": {"name": "ada"}},
    "roots/list": {"roots": [{"uri": "file:///ada", "name": "ada"}]},
}


class Peer:
    """One endpoint, spoken to in one revision; in that with sessions after a handshake."""

    def __init__(self, client, url, key, revision):
        self.client, self.url, self.revision, self.number = client, url, revision, 0
        self.headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if key:
            self.headers["X-API-Key"] = key

    @property
    def is_modern(self):
        return self.revision == "2026-07-28"

    async def __aenter__(self):
        if not self.is_modern:
            params = {"protocolVersion": self.revision, "capabilities": CAPABILITIES, "clientInfo": {"name": "test", "version": "1"}}
            status, messages = await self.post("initialize", params)
            self.told = messages[-1]["result"]
            self.headers["MCP-Protocol-Version"] = self.told["protocolVersion"]
            await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    async def __aexit__(self, *failure):
        if "Mcp-Session-Id" in self.headers:
            await self.client.delete(self.url, headers=self.headers)

    async def send(self, message, headers={}):
        return await self.client.post(self.url, headers={**self.headers, **headers}, content=json.dumps(message).encode())

    async def post(self, method, params, headers={}, meta={}):
        """The status, and every message of the answer. What the server asks on the way is answered."""
        self.number += 1
        params = copy.deepcopy(params)
        headers = {**self.headers, **headers}
        if self.is_modern:
            own = {META + "protocolVersion": self.revision, META + "clientCapabilities": CAPABILITIES, META + "logLevel": "info"}
            params["_meta"] = {name: value for name, value in {**own, **params.get("_meta", {}), **meta}.items() if value is not None}
            headers = {"MCP-Protocol-Version": self.revision, "Mcp-Method": method} | headers
            if name := params.get("name") or params.get("uri"):
                headers.setdefault("Mcp-Name", name)
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        messages = []
        request = self.client.build_request("POST", self.url, headers=headers, content=json.dumps(message).encode())
        response = await self.client.send(request, stream=True)
        try:
            if session := response.headers.get("mcp-session-id"):
                if not self.is_modern:
                    self.headers["Mcp-Session-Id"] = session
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                body = await response.aread()
                return response.status_code, [json.loads(body)] if body.startswith(b"{") else []
            async for line in response.aiter_lines():
                if not line.startswith("data:") or not line[5:].strip():
                    continue
                said = json.loads(line[5:])
                messages.append(said)
                if "method" in said and "id" in said:
                    await self.send({"jsonrpc": "2.0", "id": said["id"], "result": ANSWERS[said["method"]]})
                elif said.get("id") == self.number or "error" in said:
                    break
            return response.status_code, messages
        finally:
            await response.aclose()

    async def rounds(self, method, params, answers=ANSWERS, most=5):
        """The messages of a request with all its rounds."""
        heard = []
        more = {}
        for _ in range(most):
            status, messages = await self.post(method, {**params, **more})
            heard += messages
            result = messages[-1].get("result", {})
            if result.get("resultType") != "input_required":
                return heard
            more = {"inputResponses": {name: answers[asked["method"]] for name, asked in result.get("inputRequests", {}).items()}}
            if "requestState" in result:
                more["requestState"] = result["requestState"]
        return heard


def common(messages):
    """What the gate is not asked to change: all but ids, its name, its prices, its states, and for how long a list holds and for whom."""
    messages = copy.deepcopy(messages)
    for message in messages:
        message.pop("id", None)
        result = message.get("result", {})
        for tool in result.get("tools", []):
            tool.pop("_pricing", None)
        result.pop("requestState", None)
        meta = result.get("_meta", {})
        meta.pop(META + "serverInfo", None)
        if not meta:
            result.pop("_meta", None)
        if "tools" in result:
            result.pop("ttlMs", None)
            result.pop("cacheScope", None)
    return messages


SCENARIOS = {"2025-11-25": {}, "2026-07-28": {}}


def scenario(name, *revisions):
    """Marks a check that gets two peers: the server itself and a node."""

    def add(check):
        for revision in revisions:
            SCENARIOS[revision][name] = check
        return check

    return add


def same(name, method, params, holds, *revisions):
    """A scenario whose answers are the same through the gate, message by message; the last one's result is as it has to be."""

    @scenario(name, *revisions)
    async def check(direct, gate):
        heard = [await peer.rounds(method, params) for peer in (direct, gate)]
        assert common(heard[0]) == common(heard[1]), heard
        for messages in heard:
            assert holds(messages), messages


def call(tool, **more):
    return "tools/call", {"name": tool, "arguments": {}, **more}


def result(messages):
    return messages[-1]["result"]


def content(*kinds):
    return lambda messages: [part["type"] for part in result(messages)["content"]] == list(kinds) and not result(messages).get("isError")


def says(text):
    return lambda messages: text in json.dumps(result(messages))


def asks(method, text):
    def holds(messages):
        asked = [message["method"] for message in messages if "method" in message and "id" in message]
        for message in messages:
            asked += [request["method"] for request in message.get("result", {}).get("inputRequests", {}).values()]
        return method in asked and text in json.dumps(result(messages))

    return holds


OLD, NEW = "2025-11-25", "2026-07-28"
COMPLETION = {"ref": {"type": "ref/prompt", "name": "with_arguments"}, "argument": {"name": "arg1", "value": "te"}}
TOKEN = {"_meta": {"progressToken": "progress-1"}}

same("logging-set-level", "logging/setLevel", {"level": "info"}, lambda m: result(m) == {}, OLD)
same("ping", "ping", {}, lambda m: result(m) == {}, OLD)
same("completion-complete", "completion/complete", COMPLETION, lambda m: result(m)["completion"]["values"] == ["test", "team"], OLD, NEW)
same("tools-list", "tools/list", {}, lambda m: len(result(m)["tools"]) > 8 and all("inputSchema" in t for t in result(m)["tools"]), OLD, NEW)
same("tools-call-simple-text", *call("simple_text"), content("text"), OLD, NEW)
same("tools-call-image", *call("image"), content("image"), OLD, NEW)
same("tools-call-audio", *call("audio"), content("audio"), OLD, NEW)
same("tools-call-embedded-resource", *call("embedded_resource"), content("resource"), OLD, NEW)
same("tools-call-mixed-content", *call("mixed"), content("text", "image", "resource"), OLD, NEW)
same("tools-call-with-logging", *call("with_logging"), lambda m: [x["method"] for x in m[:-1]] == ["notifications/message"] * 3, OLD)
same("tools-call-error", *call("error"), lambda m: result(m)["isError"], OLD, NEW)
same(
    "tools-call-with-progress",
    *call("with_progress", **TOKEN),
    lambda m: [(x["params"]["progressToken"], x["params"]["progress"]) for x in m[:-1]] == [("progress-1", n) for n in (0, 50, 100)],
    OLD,
    NEW,
)
same("tools-call-sampling", *call("sampling"), asks("sampling/createMessage", "This is a test response"), OLD)
same("tools-call-elicitation", *call("elicitation"), asks("elicitation/create", "ada"), OLD)
same("elicitation-sep1034-defaults", *call("elicitation_defaults"), asks("elicitation/create", "ada"), OLD)
same("elicitation-sep1330-enums", *call("elicitation_enums"), asks("elicitation/create", "ada"), OLD)
same("resources-list", "resources/list", {}, lambda m: len(result(m)["resources"]) == 2, OLD, NEW)
same("resources-read-text", "resources/read", {"uri": "test://static-text"}, says("the static text resource"), OLD, NEW)
same("resources-read-binary", "resources/read", {"uri": "test://static-binary"}, lambda m: result(m)["contents"][0]["blob"], OLD, NEW)
same("resources-templates-read", "resources/read", {"uri": "test://template/123/data"}, says("123"), OLD, NEW)
same("resources-subscribe", "resources/subscribe", {"uri": "test://static-text"}, lambda m: result(m) == {}, OLD)
same("resources-unsubscribe", "resources/unsubscribe", {"uri": "test://static-text"}, lambda m: result(m) == {}, OLD)
same("prompts-list", "prompts/list", {}, lambda m: len(result(m)["prompts"]) >= 4, OLD, NEW)
same("prompts-get-simple", "prompts/get", {"name": "simple"}, says("a simple prompt"), OLD, NEW)
same("prompts-get-with-args", "prompts/get", {"name": "with_arguments", "arguments": {"arg1": "a", "arg2": "b"}}, says("arg2='b'"), OLD, NEW)
same(
    "prompts-get-embedded-resource",
    "prompts/get",
    {"name": "with_embedded_resource", "arguments": {"uri": "test://x"}},
    says("Embedded for testing"),
    OLD,
    NEW,
)
same("prompts-get-with-image", "prompts/get", {"name": "with_image"}, says("image/png"), OLD, NEW)
same("input-required-result-basic-elicitation", *call("elicitation"), asks("elicitation/create", "ada"), NEW)
same("input-required-result-basic-sampling", *call("sampling"), asks("sampling/createMessage", "This is a test response"), NEW)
same("input-required-result-basic-list-roots", *call("roots"), asks("roots/list", "file:///ada"), NEW)
same(
    "input-required-result-request-state",
    *call("elicitation"),
    lambda m: "requestState" in m[0]["result"] and "requestState" not in result(m),
    NEW,
)
same("input-required-result-multiple-input-requests", *call("together"), lambda m: len(m[0]["result"]["inputRequests"]) == 3, NEW)
same("input-required-result-multi-round", *call("twice"), lambda m: len(m) == 3, NEW)
same("input-required-result-non-tool-request", "prompts/get", {"name": "asked"}, asks("elicitation/create", "for ada"), NEW)
same(
    "input-required-result-result-type",
    *call("twice"),
    lambda m: [x["result"]["resultType"] for x in m] == ["input_required", "input_required", "complete"],
    NEW,
)


@scenario("server-initialize", OLD)
async def initialize(direct, gate):
    for peer in (direct, gate):
        assert peer.told["protocolVersion"] == OLD and peer.told["serverInfo"]["name"] and peer.headers["Mcp-Session-Id"], peer.told
    assert set(direct.told["capabilities"]) - {"experimental"} <= set(gate.told["capabilities"]), (direct.told, gate.told)


@scenario("server-sse-multiple-streams", OLD, NEW)
async def streams(direct, gate):
    async def one(peer, number):
        status, messages = await peer.post(*call("slow", arguments={"text": str(number)}))
        return status, [part["text"] for part in result(messages)["content"]]

    for peer in (direct, gate):
        peers = [copy.copy(peer) for _ in range(3)]
        for number, each in enumerate(peers):
            each.number = 100 * (number + 1)
        answers = await asyncio.gather(*(one(each, number) for number, each in enumerate(peers)))
        assert answers == [(200, [str(number)]) for number in range(3)], answers


@scenario("dns-rebinding-protection", OLD, NEW)
async def rebinding(direct, gate):
    for peer in (direct, gate):
        for headers in ({"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}):
            status, _ = await peer.post("tools/list", {}, headers=headers)
            assert 400 <= status < 500, (headers, status)
        status, _ = await peer.post("tools/list", {})
        assert status == 200, status


@scenario("server-stateless", NEW)
async def stateless(direct, gate):
    async def code(peer, method, params={}, headers={}, meta={}):
        status, messages = await peer.post(method, params, headers, meta)
        return status, messages[-1].get("error", {}).get("code")

    wrong = {META + "protocolVersion": "2099-01-01"}
    for peer in (direct, gate):
        assert await code(peer, "tools/list") == (200, None)
        assert await code(peer, "tools/list", meta={META + "clientCapabilities": None}) == (400, -32602)
        assert await code(peer, "tools/list", headers={"Mcp-Method": "prompts/list"}) == (400, -32020)
        assert await code(peer, *call("simple_text"), headers={"Mcp-Name": "image"}) == (400, -32020)
        assert await code(peer, "tools/list", headers={"MCP-Protocol-Version": "2099-01-01"}, meta=wrong) == (400, -32022)
        assert await code(peer, "no/such/method") == (404, -32601)
        status, messages = await peer.post("server/discover", {})
        assert NEW in result(messages)["supportedVersions"] and result(messages)["resultType"] == "complete", messages
    told = [result((await peer.post("server/discover", {}))[1])["capabilities"] for peer in (direct, gate)]
    assert set(told[0]) - {"experimental", "extensions"} <= set(told[1]), told


@scenario("sep-2164-resource-not-found", NEW)
async def missing(direct, gate):
    for peer in (direct, gate):
        _, messages = await peer.post("resources/read", {"uri": "test://nothing"})
        assert messages[-1]["error"]["code"] == -32602, messages


@scenario("caching", NEW)
async def caching(direct, gate):
    requests = [(method, {}) for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "server/discover")]
    for method, params in requests + [("resources/read", {"uri": "test://static-text"})]:
        for peer in (direct, gate):
            _, messages = await peer.post(method, params)
            assert result(messages)["ttlMs"] >= 0 and result(messages)["cacheScope"] in ("public", "private"), (method, messages)
            assert peer is direct or method != "tools/list" or result(messages)["cacheScope"] == "private", messages


async def begun(peer, tool="elicitation"):
    _, messages = await peer.post(*call(tool))
    return {"requestState": result(messages)["requestState"]}


ADA = {"user": ANSWERS["elicitation/create"]}


@scenario("input-required-result-missing-input-response", NEW)
async def unanswered(direct, gate):
    for peer in (direct, gate):
        _, messages = await peer.post(*call("elicitation", **await begun(peer), inputResponses={}))
        assert result(messages)["resultType"] == "input_required" and "user" in result(messages)["inputRequests"], messages


@scenario("input-required-result-unsupported-methods", NEW)
async def unsupported(direct, gate):
    for peer in (direct, gate):
        for method in ("tools/list", "prompts/list", "resources/list"):
            _, messages = await peer.post(method, {"inputResponses": ADA, "requestState": "x"})
            assert "error" in messages[-1] or result(messages)["resultType"] == "complete", messages


@scenario("input-required-result-tampered-state", NEW)
async def tampered(direct, gate):
    for peer in (direct, gate):
        state = (await begun(peer))["requestState"]
        forged = state[:-1] + ("0" if state[-1] != "0" else "1")
        status, messages = await peer.post(*call("elicitation", requestState=forged, inputResponses=ADA))
        assert "error" in messages[-1] or result(messages).get("isError"), messages


@scenario("input-required-result-capability-check", NEW)
async def undeclared(direct, gate):
    for peer in (direct, gate):
        _, messages = await peer.post(*call("elicitation"), meta={META + "clientCapabilities": {}})
        assert "inputRequests" not in messages[-1].get("result", {}), messages


@scenario("input-required-result-ignore-extra-params", NEW)
async def extra(direct, gate):
    for peer in (direct, gate):
        responses = {**ADA, "nobody-asked": ANSWERS["roots/list"]}
        _, messages = await peer.post(*call("elicitation", **await begun(peer), inputResponses=responses))
        assert result(messages)["resultType"] == "complete" and "ada" in json.dumps(messages), messages


@scenario("input-required-result-validate-input", NEW)
async def invalid(direct, gate):
    for peer in (direct, gate):
        status, messages = await peer.post(*call("elicitation", **await begun(peer), inputResponses={"user": "ada"}))
        assert "error" in messages[-1] or result(messages).get("isError"), messages


def register(revision):
    for name, check in SCENARIOS[revision].items():

        async def both(server, key, nodes, check=check):
            async with httpx.AsyncClient(timeout=30) as client:
                for node in nodes:
                    async with Peer(client, server, None, revision) as direct, Peer(client, node + "/mcp", key, revision) as gate:
                        await check(direct, gate)

        GUARANTEES.append((f"{revision} {name}", both))


register(sys.argv[1])
asyncio.run(run(sys.argv[2], sys.argv[3], sys.argv[4:], within=60))
