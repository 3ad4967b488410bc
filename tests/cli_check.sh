# Gradients against finite differences: right ones, one that a definition hides a part of, and what is refused.
source "$SOURCE/tests/cli.bash"
cp "$SOURCE/examples/iris/iris.csv" .

run 0 check "$SOURCE/examples/xor/xor.yaml"
has out 'gradients of sse against finite differences, float64, 4 rows' 'every gradient is right'
run 0 check iris.csv
[ "$(grep -c 'weight\|bias' out)" = 6 ] || fail "not a line for each parameter: $(cat out)"
run 0 check iris.csv --json 'net=dense(6) gelu residual(dense(6) tanh) dropout(.2) dense(classes)'
[ "$(wc -l <out)" = 1 ] || fail "--json is not one object: $(cat out)"
has out '"limit":1e-06' '"bends":'

refuses 1 'the gradient of 0.' check iris.csv 'net=dense(4) half dense(classes)' 'define.half(x)=x*stop(x)'
has out wrong
run 0 train iris.csv epochs=1 -q -o small
refuses 2 'name its recipe.yaml' check small
