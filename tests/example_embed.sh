# Learning inside a program; the pages' own programs.
# labels: source
source "$SOURCE/tests/example.bash"
cd embed
transcripts README.md
./train | awk '/^sine/ { n++; d = $4 - $8; if (d < -.1 || d > .1) exit 1 } END { exit n != 5 }' || fail "the sine: $(./train)"
./serve >out
at_least "$(awk '/^before/ { print $2 }' out)" 95
at_least 75 "$(awk '/^the circle/ { print $5 }' out)"
at_least "$(awk '/^retrained/ { print $2 }' out)" 95
has out '0 calls failed'
