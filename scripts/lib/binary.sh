# shellcheck shell=bash
# The gate-node that the scripts run: the one named by GATE_NODE_BINARY, or a release built here. Needs processes.sh.

# Sets `gate_node` to an absolute path; the build's own progress stays visible.
build_gate_node() {
    if [[ -n ${GATE_NODE_BINARY:-} ]]; then
        [[ -x $GATE_NODE_BINARY ]] || die "GATE_NODE_BINARY names no program: $GATE_NODE_BINARY"
        gate_node=$(realpath "$GATE_NODE_BINARY")
        return
    fi
    need_swift
    say "Building gate-node (release; the first build takes some minutes)"
    run scripts/build || die "The build has failed; its last lines above say why."
    # shellcheck disable=SC2034  # read by the scripts that source this file
    gate_node=$(scripts/build --show-bin-path)/gate-node
}
