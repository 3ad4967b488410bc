# The amalgamation and the program that opens nudge.h make a network that learns XOR, by one plain call of cc without
# a warning; the result is the same each time; and what the core must not include is refused.
# labels: source
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "amalgamation.sh: $*" >&2
    exit 1
}

"$SOURCE/script/amalgamate" "$work/one"
"$SOURCE/script/amalgamate" "$work/two"
cmp "$work/one/nudge.c" "$work/two/nudge.c"

# With generated kernels, too, if the build has them.
if [ -d "$BUILD/generated" ]; then
    "$SOURCE/script/amalgamate" "$work/fast" "$BUILD/generated"
    "${CC:-cc}" -fsyntax-only -I"$work/fast" "$work/fast/nudge.c" 2>"$work/said" || fail "$(cat "$work/said")"
fi

cd "$work/one"
awk '!over && sub(/^ [*]     /, "") { print; over = /^}/ }' nudge.h >xor.c
grep -q 'int main' xor.c || fail "nudge.h does not open with a program"
"${CC:-cc}" -I. -o xor xor.c nudge.c -lm -lpthread 2>warnings || fail "$(cat warnings)"
[ ! -s warnings ] || fail "$(cat warnings)"
./xor >printed
# [0 1] -> 0.989 (expected 1)
awk '{ error = $4 - $6; if (error < 0) error = -error; if (error > .1) exit 1 } END { exit NR != 4 }' printed ||
    fail "the network did not learn: $(cat printed)"

# refuses WHAT FILE LINE: a small project whose FILE gets one more LINE is complained about.
refuses() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/src/base" "$work/tree/src/data" "$work/tree/src/jobs" "$work/tree/include"
    cp -r "$SOURCE/script" "$SOURCE/LICENSE" "$work/tree"
    cd "$work/tree"
    touch include/nudge.h src/jobs/job.h src/data/loop.inc
    echo 'int heap_used;' >src/base/heap.c
    printf '/* packed.h: for zlib. */\n/* needs: zlib */\n' >src/data/packed.h
    printf '/* needs: zlib */\n#include "data/packed.h"\nint packed_used;\n' >src/data/packed.c
    script/amalgamate out || fail "a sound project is refused"
    grep -q heap_used out/nudge.c || fail "src/base/heap.c is missing"
    ! grep -q packed_used out/nudge.c || fail "src/data/packed.c needs a library, and is there"
    echo "$3" >>"$2"
    if script/amalgamate out 2>said; then fail "not seen: $1"; fi
    grep -q -- "$1" said || fail "expected \"$1\", got: $(cat said)"
}

refuses 'src/base/heap.c is in the core and includes src/data/packed.h, which needs a library' \
    src/base/heap.c '#include "data/packed.h"'
refuses 'src/base/heap.c includes src/jobs/job.h, which is not in a folder of the core' \
    src/base/heap.c '#include "jobs/job.h"'
refuses 'src/base/heap.c includes src/base/gone.h, which cannot be read' src/base/heap.c '#include "base/gone.h"'
