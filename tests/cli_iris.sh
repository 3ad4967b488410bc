# A table alone is enough: train, eval, predict, cross-validate and importance on iris, as text and as JSON.
source "$SOURCE/tests/cli.bash"
cp "$SOURCE/examples/iris/iris.csv" .

# ---- train
run 0 train iris.csv
[ ! -s out ] || fail "training has results: $(cat out)"
has err 'iris.csv · 150 rows · 4 numeric columns · target species, the last column (3 classes): classify · 15 rows held out'
has err 'net dense(32) relu dense(32) relu dense(classes) · 1,315 parameters · cross_entropy · adam(lr=0.01) · batch 16 · seed 1'
has err 'accuracy ' '(always saying ' 'runs/iris   next: nudge predict runs/iris new.csv'
[ "$(grep -c '^epoch ' err)" -ge 5 ] || fail "no lines of epochs"
if grep -q "$(printf '[\033\r]')" err; then fail "control characters off a terminal"; fi
for file in recipe.yaml model.safetensors checkpoint.safetensors log.csv; do
    [ -s runs/iris/$file ] || fail "runs/iris/$file is missing"
done
[ "$(ls runs/iris | wc -l)" = 4 ] || fail "runs/iris has other files: $(ls runs/iris)"
has runs/iris/recipe.yaml '../../iris.csv' 'target: [species]' 'task: classify' 'net: dense(32) relu dense(32) relu dense(classes)' \
    'loss: cross_entropy' 'optimizer: adam(lr=0.01)' 'batch: 16' 'epochs: 100' 'patience: 10' 'seed: 1' 'validation: 0.1'
lacks runs/iris/recipe.yaml threads
head -n 1 runs/iris/log.csv | grep -qw 'step' || fail "log.csv begins $(head -n 1 runs/iris/log.csv)"

# Never over another run; the recipe of a run gives the same model, wherever one stands and whatever the threads.
run 0 train iris.csv --quiet
[ ! -s err ] || fail "--quiet says $(cat err)"
cmp runs/iris/model.safetensors runs/iris-2/model.safetensors
mkdir elsewhere
(cd elsewhere && run 0 train ../runs/iris/recipe.yaml -o again --threads 1 && rm out err)
cmp runs/iris/model.safetensors elsewhere/again/model.safetensors
cmp runs/iris/checkpoint.safetensors elsewhere/again/checkpoint.safetensors
cmp runs/iris/log.csv elsewhere/again/log.csv
refuses 2 'holds a run already' train iris.csv -o runs/iris
refuses 2 'nudge train --resume runs/iris' train runs/iris
run 0 train runs/iris/recipe.yaml epochs=1 -q
[ -s runs/iris-3/model.safetensors ] || fail "a run of a run's recipe is not named after it: $(ls runs)"
run 0 train runs/iris/recipe.yaml --seed 2 --epochs=3 batch=50 -q -o other
has other/recipe.yaml 'seed: 2' 'epochs: 3' 'batch: 50'

# ---- eval
run 0 eval runs/iris
has out 'the 15 validation rows of iris.csv' accuracy 'always saying' setosa virginica
accuracy=$(awk '$1 == "accuracy" { print $2; exit }' out)
awk -v a="$accuracy" 'BEGIN { exit !(a >= 80) }' || fail "accuracy is \"$accuracy\": $(cat out)"
run 0 eval runs/iris/model.safetensors iris.csv --json
has out '"event":"result"' '"part":"given"' '"rows":150' '"loss":' '"accuracy":'
[ "$(wc -l <out)" = 1 ] || fail "eval --json is not one object: $(cat out)"

# ---- predict
run 0 predict runs/iris iris.csv
[ "$(head -n 1 out)" = prediction,p_setosa,p_versicolor,p_virginica ] || fail "header: $(head -n 1 out)"
[ "$(wc -l <out)" = 151 ] || fail "150 rows give $(wc -l <out) lines"
paste -d , <(cut -d , -f 5 iris.csv) <(cut -d , -f 1 out) | awk -F , 'NR > 1 && $1 == $2 { n++ } END { exit n < 140 }' ||
    fail "the predictions are wrong"
awk -F , 'NR > 1 { s = $2 + $3 + $4; if (s < .9999 || s > 1.0001) exit 1 }' out || fail "probabilities do not add up to 1"
mv out whole

# Columns by name, in any order; others are ignored, and may be kept.
awk -F , -v OFS=, 'NR == 1 { print "id", $4, $2, "note", $1, $3; next } { print NR - 1, $4, $2, "\"a, \"\"b\"\"\"", $1, $3 }' iris.csv >mixed.csv
"$NUDGE" predict runs/iris --keep note,id <mixed.csv >out 2>err || fail "predict from standard input: $(cat err)"
[ "$(head -n 1 out)" = note,id,prediction,p_setosa,p_versicolor,p_virginica ] || fail "kept: $(head -n 1 out)"
[ "$(sed -n 2p out | cut -d , -f 1-4)" = '"a, ""b""",1,setosa' ] || fail "kept: $(sed -n 2p out)"
cut -d , -f 4- out | tail -n +2 >kept
tail -n +2 whole | cmp - kept
refuses 2 'did you mean id?' predict runs/iris mixed.csv --keep idd
run 0 predict runs/iris mixed.csv --keep id --json
has out '"event":"row","keep":{"id":"1"},"prediction":"setosa","p":{"setosa":'
[ "$(wc -l <out)" = 150 ] || fail "predict --json gives $(wc -l <out) lines"

# A row comes out as soon as it is in.
mkfifo in
"$NUDGE" predict runs/iris - <in >live 2>err &
predictor=$!
exec 3>in
sed -n 1,2p iris.csv >&3
for _ in $(seq 200); do [ "$(wc -l <live)" = 2 ] && break || sleep 0.05; done
[ "$(wc -l <live)" = 2 ] || fail "a row that is in does not come out: $(cat live err)"
sed -n 3p iris.csv >&3
for _ in $(seq 200); do [ "$(wc -l <live)" = 3 ] && break || sleep 0.05; done
[ "$(wc -l <live)" = 3 ] || fail "the second row does not come out"
exec 3>&-
wait $predictor || fail "predict from a pipe ends with $?"
[ "$(cut -d , -f 1 live | tr '\n' ' ')" = 'prediction setosa setosa ' ] || fail "rows one by one: $(cat live)"

# ---- cv and importance
run 0 cv iris.csv epochs=20 --folds 3
has out 'fold 1/3' 'fold 3/3' '50 rows' '±' 'mean ± deviation of 3 folds' 'trivial predictor'
mv out first
run 0 cv iris.csv epochs=20 --folds 3 --threads 1
cmp first out
[ ! -e runs/iris-4 ] || fail "cv writes a run"
run 0 cv iris.csv epochs=2 k=2 --json
refuses 2 'did you mean' cv iris.csv fold=2

run 0 importance runs/iris iris.csv --repeats 3
has out petal 'accuracy' '█'
sed -n 2p out | grep -q '^petal' || fail "petals are not what tells irises apart: $(cat out)"
run 0 importance runs/iris --json
has out '"part":"validation"' '"columns":[{"column":"petal'

# ---- JSON of a run
run 0 train iris.csv epochs=3 --json -o json
has out '"event":"start"' '"event":"epoch"' '"event":"end"'
[ "$(grep -c '"event":"epoch"' out)" = 3 ] || fail "3 epochs, but $(grep -c '"event":"epoch"' out) events"
grep -qv '^{.*}$' out && fail "not an object a line: $(cat out)"
[ ! -s err ] || fail "--json says $(cat err)"

# Validation rows of their own, and weights of rows.
awk 'NR % 5 != 2' iris.csv >learn.csv
awk 'NR == 1 || NR % 5 == 2' iris.csv >judge.csv
run 0 train learn.csv data.validation=judge.csv epochs=30 -o apart
has err 'learn.csv · 120 rows' '30 validation rows'
run 0 eval apart
has out 'the 30 validation rows of judge.csv'
awk -F , -v OFS=, '{ print NR == 1 ? "trust" : $5 == "setosa" ? 0 : 1, $0 }' iris.csv >weighted.csv
run 0 train weighted.csv weight=trust epochs=30 -o weighted
has err '4 numeric columns' '(always saying v' '50 %'
run 0 predict weighted weighted.csv
lacks out setosa,0.9

# A regression, other spellings of a table, and standard input.
tr , ';' <iris.csv | cut -d ';' -f 1-4 | gzip | "$NUDGE" train - epochs=5 >out 2>err || fail "from standard input: $(cat err)"
has err 'stdin · 150 rows · 3 numeric columns' 'regress' 'rmse ' runs/stdin
run 0 predict runs/stdin iris.csv
[ "$(head -n 1 out)" = prediction ] || fail "header of a regression: $(head -n 1 out)"
