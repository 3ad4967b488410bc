# What the cli_*.sh tests share; they source it first. Afterwards the working directory is an empty one of their own.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

unset NO_COLOR
test=${0##*/}

fail() {
    echo "$test: $*" >&2
    exit 1
}

# run STATUS ARGUMENT...: the command must end with that status. Its output is in the files out and err.
run() {
    local want=$1 got=0
    shift
    "$NUDGE" "$@" >out 2>err </dev/null || got=$?
    [ "$got" = "$want" ] || fail "nudge $*: exit status $got instead of $want; it said: $(cat out err)"
}

# has FILE TEXT...: each text is in the file.
has() {
    local file=$1 text
    shift
    for text; do
        grep -qF -- "$text" "$file" || fail "\"$text\" is not in $file: $(cat "$file")"
    done
}

lacks() {
    ! grep -qF -- "$2" "$1" || fail "\"$2\" is in $1: $(cat "$1")"
}

# refuses STATUS TEXT ARGUMENT...: fails with that status and with one message, which has the text.
refuses() {
    local status=$1 text=$2
    shift 2
    run "$status" "$@"
    has err "$text"
    [ "$(grep -c '^nudge: ' err)" = 1 ] || fail "nudge $*: not one message: $(cat err)"
    lacks err '.c:'
}

# table ROWS: a CSV of two numbers and a class that they decide.
table() {
    awk -v rows="$1" 'BEGIN {
        print "width,height,kind"
        for (i = 0; i < rows; i++) {
            a = (i * 37) % 101 / 101; b = (i * 53) % 97 / 97
            print a "," b "," (a + b > 1 ? "big" : "small")
        }
    }'
}
