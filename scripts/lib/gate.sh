# shellcheck shell=bash
# A gate as its users see it: keys and calls over HTTP with curl.

# json_field NAME  prints the first value of that name in the JSON on standard input, without quotes.
json_field() { grep -o '"'"$1"'" *: *"\{0,1\}[^",}]*' | head -n 1 | sed 's/^[^:]*: *"\{0,1\}//'; }

# create_key URL ADMIN_KEY CREDITS  prints the new key.
create_key() {
    curl -fsS -m 10 "$1/keys" -H "X-Admin-Key: $2" -H 'Content-Type: application/json' \
        -d '{"name":"first","credits":'"$3"'}' | json_field key
}

# call_tool URL KEY TOOL ARGUMENTS  prints the JSON-RPC answer.
call_tool() {
    curl -fsS -m 30 "$1/mcp" -H "X-API-Key: $2" -H 'Content-Type: application/json' -H 'Accept: application/json' \
        -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'"$3"'","arguments":'"$4"'}}'
}

credits_left() { curl -fsS -m 10 "$1/balance" -H "X-API-Key: $2" | json_field credits; }

new_admin_key() { printf 'ak_%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"; }
