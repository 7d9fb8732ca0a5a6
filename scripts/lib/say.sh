# shellcheck shell=bash
# How the scripts speak: one line a step, one sentence when something cannot work.

say() {
    if [[ -t 1 ]]; then printf '\033[1m==> %s\033[0m\n' "$*"; else printf '==> %s\n' "$*"; fi
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
