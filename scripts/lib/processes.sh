# shellcheck shell=bash
# The processes that a script starts: each is ended by its pid, in the reverse order of the starts, whatever way the script ends.

started_pids=()
started_names=()

# start NAME LOG COMMAND...  in the background, out of reach of the terminal's Ctrl-C, so that only `end_all` decides the order.
start() {
    local name=$1 log=$2
    shift 2
    setsid "$@" </dev/null >"$log" 2>&1 &
    started_pids+=("$!")
    started_names+=("$name")
}

# run COMMAND...  waits for it, but ends it with the script: bash hears of a signal between commands, or in `wait`.
run() {
    local status=0
    "$@" </dev/null &
    started_pids+=("$!")
    started_names+=("$1")
    wait "$!" || status=$?
    unset 'started_pids[-1]' 'started_names[-1]'
    return "$status"
}

# end_pid PID SECONDS  asks, waits, and only then kills.
end_pid() {
    local pid=$1 until=$((SECONDS + $2))
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null && ((SECONDS < until)); do sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

end_all() {
    local index indices=("${!started_pids[@]}")
    for ((index = ${#indices[@]} - 1; index >= 0; index--)); do
        end_pid "${started_pids[indices[index]]}" 40
    done
    started_pids=()
    started_names=()
}

is_running() { kill -0 "$1" 2>/dev/null; }

# eventually SECONDS COMMAND...  runs the command until it succeeds.
eventually() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < until)) || return 1
        sleep 0.1
    done
}

# listening_port PID LOG  waits for the line by which a node says that it serves, and prints its port.
listening_port() {
    local pid=$1 log=$2 until=$((SECONDS + 60)) port
    while is_running "$pid" && ((SECONDS < until)); do
        port=$(sed -n 's/.*Listening on port \([0-9][0-9]*\).*/\1/p' "$log" | head -n 1)
        [[ -n $port ]] && echo "$port" && return 0
        sleep 0.1
    done
    return 1
}

# free_port FIRST  prints the first port from FIRST on that nobody listens on.
free_port() {
    local port=$1
    while (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}
