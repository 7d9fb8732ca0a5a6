# shellcheck shell=bash
# What a machine needs before anything can be built: found by what it provides, installed from apt where it is missing.

# need PACKAGE TEST...  notes the package unless the test command succeeds.
missing_packages=()
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing_packages+=("$package")
}

need_command() { need "$2" command -v "$1"; }

need_hiredis() { need libhiredis-dev has_header hiredis/hiredis.h; }

has_header() {
    local folder
    for folder in /usr/include /usr/local/include /opt/homebrew/include; do
        [[ -e $folder/$1 ]] && return 0
    done
    return 1
}

need_swift() {
    command -v swift >/dev/null || die "Swift is not installed or not on the PATH; see https://www.swift.org/install/linux/."
}

# Installs what `need` has noted; sudo is asked for only then.
install_missing() {
    ((${#missing_packages[@]})) || return 0
    say "Installing ${missing_packages[*]} from apt"
    command -v apt-get >/dev/null || die "There is no apt-get here; install these yourself: ${missing_packages[*]}."
    as_root apt-get update -qq || die "apt-get update has failed."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing_packages[@]}" </dev/null \
        || die "apt-get could not install ${missing_packages[*]}."
    missing_packages=()
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "Installing packages needs root, and there is no sudo; as root, run: apt-get install ${missing_packages[*]}"
    fi
}
