# What the scripts share; they source it first. Afterwards the working directory is the project's root.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# quietly LOG COMMAND...: runs the command; its output goes to LOG, and is shown only if it fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        die "failed: $* (the lines above are in $log)"
    fi
}

cores() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# build PRESET [TARGET...]: configures and builds, quietly.
build() {
    local preset=$1
    shift
    say "building $preset${*:+: $*}"
    quietly "build/$preset.log" cmake --preset "$preset"
    quietly "build/$preset.log" cmake --build --preset "$preset" --parallel "$(cores)" ${1:+--target "$@"}
}
