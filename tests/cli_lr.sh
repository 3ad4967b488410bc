# The learning-rate range test, and habits of training on the command line.
source "$SOURCE/tests/cli.bash"
cp "$SOURCE/examples/iris/iris.csv" .

run 0 lr iris.csv
has out 'lr          loss, smoothed' 'the loss was least at ' 'a tenth of the former: lr=' 'in optimizer: adam(lr=0.01)'
[ "$(wc -l <out)" -gt 12 ] || fail "the table is short: $(cat out)"
[ ! -e runs ] || fail "nudge lr left something behind"
cp out first
run 0 lr iris.csv --threads 1
cmp -s out first || fail "two runs differ"
run 0 lr iris.csv --json optimizer=sgd schedule=cosine
[ "$(wc -l <out)" = 1 ] || fail "--json is not one object: $(cat out)"
has out '"suggestion":' '"lr":[' '"loss":['

# What it suggests learns; what it warns of does not.
rate=$(sed 's/.*"suggestion":\([^,]*\),.*/\1/' out)
run 0 train iris.csv "optimizer=sgd(lr=$rate)" epochs=30 seed=3 -q -o suggested
run 0 eval suggested --json
awk -F'"accuracy":' '{ exit !($2 + 0 > .8) }' out || fail "lr=$rate did not learn: $(cat out)"

refuses 2 'has no lr that could be looked for' lr iris.csv optimizer=mine 'define.mine(w, g)=w -= g'
refuses 2 'name its recipe.yaml' lr suggested

# A recipe's maps, from YAML and from the command line, travel to resume and to the model.
cat >habits.yaml <<'YAML'
data: iris.csv
net: dense(8) relu batchnorm dense(classes)
groups:
  "*.bias": sgd(lr=0.1)
  2.*: freeze
freeze: 0.bias
micro: 2
balance: true
penalty: l2(1e-4)
constraint: max_norm(4)
average: ema(0.9)
schedule: plateau(patience=1)
epochs: 4
YAML
run 0 train habits.yaml -q -o habits
grep -qF '"*.bias": sgd(lr=0.1)' habits/recipe.yaml || fail "groups are not in the recipe: $(cat habits/recipe.yaml)"
run 0 train habits/recipe.yaml -q -o again
cmp -s habits/model.safetensors again/model.safetensors || fail "the written recipe gives another model"
run 0 train --resume habits epochs=6 -q
run 0 train habits.yaml epochs=6 -q -o longer
cmp -s habits/checkpoint.safetensors longer/checkpoint.safetensors || fail "resumed, it is another run"
run 0 check habits.yaml micro=1 net='dense(8) tanh dense(classes)' groups=
has out 'every gradient is right'
run 0 train iris.csv optimizer=lbfgs epochs=20 -q -o lbfgs
has lbfgs/recipe.yaml 'optimizer: lbfgs' 'batch: 150'
run 0 explain habits.yaml --row 3
run 0 inspect habits.yaml
refuses 2 'no parameter is called 9.*' train habits.yaml 'groups.9.*=freeze'
refuses 2 'augment: changes images' train iris.csv augment=flip
refuses 4 'anomaly at step 1: first in layer 1, blow, forward: exp gave inf' train iris.csv anomaly=true \
    'net=dense(4) blow turn dense(classes)' 'define.blow(x)=stop(exp(1000 + x*x))' 'define.turn(x)=1/x'
