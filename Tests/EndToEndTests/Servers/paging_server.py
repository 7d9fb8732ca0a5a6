"""A stdio MCP server whose lists have pages of two, with resources of its own. Standard library only.

    paging_server.py NAME [silent]

Tools, prompts: NAME-0 to NAME-4. Resources: test://common (in every server) and test://NAME/0 to 3; one template. A tool answers with NAME and its own
name. With `silent` it knows nothing but tools. Levels that were set are told by the tool NAME-0.
"""

import json
import sys

name = sys.argv[1]
silent = "silent" in sys.argv[2:]
levels = []
NAMES = [f"{name}-{n}" for n in range(5)]
URIS = ["test://common"] + [f"test://{name}/{n}" for n in range(4)]
LISTS = {
    "tools/list": ("tools", [{"name": each, "inputSchema": {"type": "object"}} for each in NAMES]),
    "prompts/list": ("prompts", [{"name": each, "description": "A prompt."} for each in NAMES]),
    "resources/list": ("resources", [{"uri": each, "name": each} for each in URIS]),
    "resources/templates/list": ("resourceTemplates", [{"uriTemplate": f"test://{name}/item/{{n}}", "name": "item"}]),
}
CAPABILITIES = {"tools": {}} if silent else {
    "tools": {"listChanged": name == "b"}, "prompts": {}, "resources": {"subscribe": name == "b"}, "completions": {}, "logging": {}
}


def answer(method, params):
    if silent and not method.startswith(("tools/", "initialize")):
        return None
    if method == "initialize":
        info = {"name": name, "version": "1"}
        return {"protocolVersion": "2025-06-18", "capabilities": CAPABILITIES, "serverInfo": info, "instructions": f"I am {name}."}
    if method in LISTS:
        member, entries = LISTS[method]
        start = int(params.get("cursor") or 0)
        page = {member: entries[start:start + 2]}
        return page | ({"nextCursor": str(start + 2)} if start + 2 < len(entries) else {})
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"{name} {params['name']} {' '.join(levels)}"}]}
    if method == "prompts/get" and params["name"] in NAMES:
        return {"messages": [{"role": "user", "content": {"type": "text", "text": f"{name} {params['name']}"}}]}
    if method == "resources/read" and (params["uri"] in URIS or params["uri"].startswith(f"test://{name}/item/")):
        return {"contents": [{"uri": params["uri"], "text": f"{name} {params['uri']}"}]}
    if method == "completion/complete":
        ref = params["ref"]
        return {"completion": {"values": [f"{name} {ref.get('name') or ref.get('uri')}"]}}
    if method == "logging/setLevel":
        levels.append(params["level"])
        return {}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = answer(message["method"], message.get("params") or {})
    said = {"result": result} if result is not None else {"error": {"code": -32601, "message": f"{name} does not know that"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)
