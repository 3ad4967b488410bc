# Instructions that training steps and planning take, counted by valgrind's callgrind and held against tests/counts.txt:
# none may grow by more than 3 %. valgrind hides AVX-512, so the counts are of the AVX2 path; they are of one thread and
# one compiler, the one that counts.txt names. A step's count is the difference between N and 2N steps, so that starting
# costs nothing; "open" is everything before the first step: reading the notation, making the model, planning.
#
# After a change that is worth it, or one that saves some:  ctest --preset release -R '^counts$' says what is new, and
#     UPDATE=1 SOURCE=. BUILD=build/release NUDGE=build/release/nudge bash tests/counts.sh
# writes counts.txt. Read its difference, and say in the commit why anything grew.
set -eu

skip() {
    echo "skipped: $*"
    exit 77
}

cache=$(<"$BUILD/CMakeCache.txt")
has_setting() { grep -q -- "^$1:[A-Z]*=$2\$" <<<"$cache"; }
has_setting CMAKE_BUILD_TYPE Release && has_setting NUDGE_SANITIZE '' || skip "counts are of plain release builds"
grep -q avx2 /proc/cpuinfo || skip "this machine has no AVX2"
if ! command -v valgrind >/dev/null; then
    [ -z "${CI-}" ] || { echo "valgrind is missing; script/install-needs installs it" >&2; exit 1; }
    skip "valgrind is missing; script/install-needs installs it"
fi
compiler=$("$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' <<<"$cache")" --version | head -n 1)
recorded=$(sed -n 's/^# compiler: //p' "$SOURCE/tests/counts.txt" 2>/dev/null || true)
[ -n "${UPDATE-}" ] || [ "$compiler" = "$recorded" ] || skip "counts are of $recorded, not of $compiler"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# instructions JOB STEPS: of a whole run.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$NUDGE" bench "$1" --threads 1 --steps "$2" >"$work/out" 2>&1 ||
        { cat "$work/out" >&2; exit 1; }
    awk '/Collected/ { print $NF }' "$work/out"
}

# count JOB STEPS: of a step. count JOB open: before the first.
count() {
    if [ "$2" = open ]; then
        instructions "$1" 0
    else
        echo $((($(instructions "$1" $((2 * $2))) - $(instructions "$1" "$2")) / $2))
    fi
}

{
    echo "# Instructions a training step takes, or all before the first: see counts.sh."
    echo "# compiler: $compiler"
    while read -r job steps; do
        echo "$job $steps $(count "$job" "$steps")"
    done <<'END'
xor 500
predict2 500
predict1 50
tab128 10
mlp32 5
xor open
mlp32 open
gpt open
END
} >"$work/counts.txt"

if [ -n "${UPDATE-}" ]; then
    cp "$work/counts.txt" "$SOURCE/tests/counts.txt"
    exit 0
fi
awk '
    /^#/ { next }
    NR == FNR { before[$1 " " $2] = $3; next }
    {
        name = $1 " " $2
        was = before[name]
        printf "%-14s %12d %12d %+6.1f %%\n", name, was, $3, was ? 100 * ($3 / was - 1) : 0
        if (!was) { print "    is not in tests/counts.txt"; bad = 1 }
        else if ($3 > 1.03 * was) { print "    grew by more than 3 %: see the head of tests/counts.sh"; bad = 1 }
    }
    END { exit bad }' "$SOURCE/tests/counts.txt" "$work/counts.txt"
