# The worked example, by the command: figures to a relative 1e-9, and a perceptron that cannot.
# labels: source
source "$SOURCE/tests/example.bash"
cd xor
transcripts README.md

nudge train xor.yaml --quiet -o run
nudge predict run xor.csv >out
lines=$(paste -d ' ' - <(printf '%s\n' 0.0144423019713 0.9890743737711 0.9822906134912 0.0159229810230) < <(tail -n +2 out))
[ "$(wc -l <<<"$lines")" = 4 ] || fail "4 rows give $lines"
while read -r got want; do near "$got" "$want" 1e-9; done <<<"$lines"
nudge explain xor.yaml --row 3 --json >out
near "$(sed 's/.*"loss":\([0-9.e-]*\).*/\1/; q' out)" 0.1256 1e-3

nudge predict runs/perceptron xor.csv | tail -n +2 >out
while read -r got; do near "$got" 0.5 1e-4; done <out
