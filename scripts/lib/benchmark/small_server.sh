#!/bin/sh
# A stdio MCP server that starts in a millisecond and ends as it is told: by the end of its input; `leave`, `die`, by itself; `stay`, only by
# SIGKILL; `offspring` starts a process in a session of its own before it answers. $1 gets a line for each start.
echo $$ >>"$1"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
stays=''
while IFS= read -r line; do
    id=${line#*\"id\":}
    id=${id%%[,\}]*}
    case $line in
        *'"method":"initialize"'*)
            answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"small","version":"1"}}' ;;
        *'"method":"tools/list"'*)
            answer '{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"offspring","inputSchema":{"type":"object"}},{"name":"stay","inputSchema":{"type":"object"}},{"name":"leave","inputSchema":{"type":"object"}},{"name":"die","inputSchema":{"type":"object"}}]}' ;;
        *'"method":"tools/call"'*)
            case $line in
                *'"name":"leave"'*) exit 0 ;;
                *'"name":"die"'*) kill -9 $$ ;;
                *'"name":"stay"'*) trap '' TERM && stays=yes ;;
                *'"name":"offspring"'*) setsid sleep 1000 </dev/null >/dev/null 2>&1 & ;;
            esac
            answer '{"content":[{"type":"text","text":"done"}],"isError":false}' ;;
        *'"id":'*) answer '{}' ;;
    esac
done
while [ $stays ]; do sleep 1; done
