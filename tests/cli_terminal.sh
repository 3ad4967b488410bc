# On a terminal one line moves; with NO_COLOR, on a dumb terminal, or off a terminal, there are plain lines only.
source "$SOURCE/tests/cli.bash"
command -v script >/dev/null || { echo "no script(1) to make a terminal with"; exit 77; }

table 200 >data.csv

# seen NAME=VALUE... -- ARGUMENT...: what a terminal 60 characters wide gets to see, in the file seen.
seen() {
    local settings=()
    while [ "$1" != -- ]; do settings+=("$1") && shift; done
    shift
    rm -rf run
    script -qec "stty cols 60; env ${settings[*]} '$NUDGE' $*" /dev/null </dev/null >seen || fail "$*: $(cat seen)"
}

escape=$(printf '\033')
seen TERM=xterm -- train data.csv epochs=500 patience=0 -o run
has seen "$(printf '\r')epoch" "$escape[K" 'data.csv · 200 rows' 'done: best epoch'
plain=$(tr '\r' '\n' <seen | sed "s/$escape\[[0-9;]*[A-Za-z]//g")
[ "$(echo "$plain" | grep -c '^epoch')" -lt 500 ] || fail "each epoch is drawn, however short"
echo "$plain" | grep -q '^epoch 500/500' || fail "the last epoch is not drawn: $plain"
echo "$plain" | grep '^epoch' | awk 'length > 59 + 10 { exit 1 }' || fail "the moving line is wider than the terminal"

for setting in NO_COLOR=1 TERM=dumb; do
    seen TERM=xterm $setting -- train data.csv epochs=4 patience=0 -o run
    lacks seen "$escape"
    [ "$(tr -d '\r' <seen | grep -c '^epoch ')" = 4 ] || fail "$setting: not a line an epoch: $(cat seen)"
done

# Rows on the same screen leave no room for a moving line; without them it tells how far the command is.
seen TERM=xterm -- train data.csv epochs=4 patience=0 -o model -q
seen TERM=xterm -- predict model data.csv
lacks seen "$escape"
[ "$(grep -c . seen)" = 201 ] || fail "predictions on a terminal: $(cat seen)"
seen TERM=xterm -- predict model data.csv '>rows'
has seen '200 rows'

seen TERM=xterm -- train data.csv epochs=4 patience=0 -o run --quiet
[ ! -s seen ] || fail "--quiet shows $(cat seen)"
