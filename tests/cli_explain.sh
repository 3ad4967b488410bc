# The error flowing backward, from the command line: the article's network, from wherever one stands, before and after
# steps; a model; many rows; and what is refused.
source "$SOURCE/tests/cli.bash"
xor=$SOURCE/examples/xor/xor.yaml

run 0 explain "$xor" --row 3
[ ! -s err ] || fail "it says more than the result: $(cat err)"
has out 'step 0 of the recipe, before any update' \
    'row 3   a = 1, b = 0   expected 1   predicted 0.4988   loss 0.1256 (sse: half the squared error)' \
    '  0 dense(4)    0.8122 -0.3059 -0.2641 -0.5365' '  1 sigmoid     0.6926  0.4241  0.4344  0.3690' \
    'dL/dy   0.4988 - 1 = -0.5012' 'the prediction is too low' 'x slope 0.4988 (1 - 0.4988) = 0.2500  ->  -0.1253' \
    'weight = input x -0.1253:  -0.0868 -0.0531 -0.0544 -0.0462   bias -0.1253   share 75 %' \
    'handed on = weights x -0.1253  ->  -0.0200 0.0156 -0.0916 0.1291' \
    'weight from a: -0.0043 0.0038 -0.0225 0.0301   from b: 0 0 0 0 (b is 0)   bias likewise   share 25 %' \
    '+0.1253            -0.0166     the other rows outvote this one'
if grep -q "$(printf '\033')" out; then fail "colour off a terminal"; fi
mv out first
(mkdir elsewhere && cd elsewhere && "$NUDGE" explain "$xor" row=3 --threads 2 >../out)
cmp out first

# After the article's 5000 steps.
run 0 explain "$xor" --row 3 --step 5000
has out 'step 5000 of the recipe, after 5000 updates' 'predicted 0.9823'
run 0 explain "$xor" --row 3 --json
[ "$(wc -l <out)" = 1 ] || fail "--json is not one object: $(cat out)"
has out '{"event":"result","step":0,"row":3,"loss":0.12562' '"handed_on":[' '"batch_nudge":[' '"largest":['

# Many rows.
cp "$SOURCE/examples/iris/iris.csv" .
deep=$(printf 'dense(8) sigmoid %.0s' $(seq 20))
run 0 explain iris.csv "net=$deep dense(classes)"
has out 'gradient norm of each layer' '40 dense(classes)' ' 0 dense(8)' 'of the gradient it gets' \
    "sigmoid's slope is at most 0.25" 'times slower than layer 40' 'try: relu'
[ "$(grep -c "^ *[0-9]* dense" out)" = 21 ] || fail "not a line for each layer: $(cat out)"

# A model, with rows of its own and with others.
run 0 train iris.csv epochs=3 -q -o small
run 0 explain small --row 60
has out 'small, as it was trained' 'petal_width = 1.4' 'expected versicolor' 'begun anew'
run 0 explain small iris.csv --row 60 --json
run 0 explain small

refuses 2 'is not a whole number from 1 to 4' explain "$xor" --row 5
refuses 2 'is not a whole number from 1 to 150' explain iris.csv --row 151
refuses 2 'was trained already' explain small --row 1 --step 2
refuses 2 'the recipe ends after 5000 steps' explain "$xor" --row 1 --step 6000
refuses 2 'did you mean --step?' explain "$xor" --stepp 3
refuses 2 'something is missing' explain
