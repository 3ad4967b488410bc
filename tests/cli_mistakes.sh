# Each mistake a user can make ends with the exit code for it and one message that says where, what, and what to do.
source "$SOURCE/tests/cli.bash"

table 60 >good.csv
run 0 train good.csv epochs=2 -o model

# ---- Files
refuses 2 'gone.csv: no such file' train gone.csv
refuses 2 'did you mean good.csv?' train god.csv
mkdir folder
refuses 2 'folder: is a directory' train folder
: >empty.csv
refuses 2 'empty.csv: is empty' train empty.csv
head -n 1 good.csv >header.csv
refuses 2 'header.csv: has a header, but no rows' train header.csv
gzip -c good.csv | head -c 200 >cut.csv.gz
refuses 2 'cut.csv.gz:' train cut.csv.gz
refuses 2 'good.csv: ' eval good.csv
refuses 2 'nowhere: cannot read: No such file' predict nowhere good.csv

# ---- Tables
{ cat good.csv; echo '1,2,big,4'; } >ragged.csv
refuses 2 'ragged.csv:62: this row has 4 cells, but the header has 3' train ragged.csv
{ cat good.csv; echo '1,2,"big'; } >open.csv
refuses 2 'open.csv:62:3: the quote that opens here is never closed' train open.csv
{ cat good.csv; echo 'inf,2,big'; } >infinite.csv
refuses 2 'infinite.csv:62:1: "inf"' train infinite.csv
head -n 2 good.csv >one.csv
refuses 2 'one.csv: has only one row' train one.csv
sed 's/small/big/' good.csv >class.csv
refuses 2 'at least 2 classes' train class.csv
sed 's/width/height/' good.csv >twice.csv
refuses 2 'twice.csv:1:2: column 1 is called height, too' train twice.csv
{ cat good.csv; echo 'heavy,2,big'; } >word.csv
refuses 2 'word.csv:62:1: "heavy" is not a number in column width' train word.csv
has err missing=heavy ignore=width
run 0 train word.csv missing=heavy epochs=1 -o missing
tr , " " <good.csv >blanks.csv
refuses 2 "one column only" train blanks.csv
has err delimiter=
run 0 train blanks.csv delimiter=" " epochs=1 -o blanks
refuses 2 "command line: classes: is 5, but good.csv has 2" train good.csv classes=5
refuses 2 'did you mean kind?' train good.csv target=kin
refuses 2 '"heavy"' predict model word.csv
{ cat good.csv; echo '1,2,huge'; } >unseen.csv
refuses 2 'unseen.csv:62:3: "huge" is no class that the model knows' eval model unseen.csv
cut -d , -f 2,3 good.csv >narrow.csv
refuses 2 'width' predict model narrow.csv

# An unseen category of an input is only a warning; so are constant columns and rows without a target.
awk -F , 'NR == 1 { print "colour,constant," $0; next } { print (NR % 2 ? "red" : "blue") ",1," $0 }' good.csv >colour.csv
echo 'red,1,0.5,0.5,' >>colour.csv
run 0 train colour.csv epochs=1 -o colour
has err 'warning: column constant is left out' 'warning: colour.csv: 1 row without a value in the target column kind is left out'
sed 's/red/green/' colour.csv >green.csv
run 0 predict colour green.csv
[ "$(grep -c warning: err)" = 1 ] || fail "not one warning: $(cat err)"
has err '31 cells' green

# ---- IDX
idx() { # idx FILE BYTE...
    local file=$1
    shift
    printf "$(printf '\\x%02x' "$@")" >"$file"
}
idx images 0 0 8 3 0 0 0 4 0 0 0 2 0 0 0 2 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
idx labels 0 0 8 1 0 0 0 4 0 1 1 0
idx three 0 0 8 1 0 0 0 3 0 1 1
idx short 0 0 8 3 0 0 0 4 0 0 0 2 0 0 0 2 1 2 3
idx magic 1 2 3 4 0 0 0 4
run 0 train images labels validation=0 epochs=2 -o pictures
run 0 predict pictures images
[ "$(head -n 1 out)" = prediction,p_0,p_1 ] || fail "header: $(head -n 1 out)"
run 0 eval pictures images labels
run 0 eval pictures
has out 'training rows'
refuses 2 'images has 4 samples, but three has 3 labels' train images three
refuses 2 'short: its header says 4 x 2 x 2 values, but only 3 bytes' train short labels
refuses 2 'magic: is no IDX file' train magic labels
refuses 2 'give both' train images
refuses 2 'target: is about the columns of a table' train images labels target=a
idx small 0 0 8 3 0 0 0 4 0 0 0 1 0 0 0 1 1 2 3 4
refuses 2 "small: its samples have 1 numbers each, but the model takes 4" predict pictures small
refuses 2 "small: its samples have 1 numbers each, but the model takes 4" eval pictures small labels
refuses 2 "stdin: the model was trained on IDX files" predict pictures
refuses 2 "images without labels; give both" eval pictures images
refuses 2 'was trained on a table' predict model images
refuses 2 'was trained on IDX files' predict pictures good.csv

# ---- Recipes
recipe() { # recipe LINE...
    printf '%s\n' "$@" >recipe.yaml
}
recipe 'data: good.csv' 'epoch: 3'
refuses 2 'recipe.yaml:2: no key is called epoch; did you mean epochs?' train recipe.yaml
recipe 'data: good.csv' 'epochs: many'
refuses 2 'recipe.yaml:2: epochs: "many" is not a whole number' train recipe.yaml
recipe 'data: good.csv' 'net: [a' 'x: }'
refuses 2 'recipe.yaml:' train recipe.yaml
recipe 'data: good.csv' 'net: dense(8) relu dence(classes)'
refuses 2 'did you mean dense?' train recipe.yaml
has err 'recipe.yaml:2: net' '^'
# The place first, and under it a caret with the sentence; also where the mistake is within a definition.
recipe 'data: good.csv' 'net: dense(8) relu dence(classes)'
refuses 2 'did you mean dense?' train recipe.yaml
printf '%s\n' 'nudge: recipe.yaml:2: net: dense(8) relu dence(classes)' \
    '                                         ^ no layer is called dence; did you mean dense?' >want
cmp want err
recipe 'data: good.csv' 'net: gate dense(classes)' 'define:' '  gate(x): x + zeros(7)'
refuses 2 'nudge: recipe.yaml:4: define: gate(x): x + zeros(7)' train recipe.yaml
has err '                                         ^ add: shapes' '  recipe.yaml:2: net: gate dense(classes)' '                      ^'
refuses 2 'command line: optimizer: adam(beta1=2)' train good.csv 'optimizer=adam(beta1=2)'
has err '^ adam: beta1 must be at least 0 and less than 1, not 2'
refuses 2 'norm: limit must be more than 0, not -1' train good.csv clip=-1
recipe 'data: good.csv' 'optimizer: adam(rate=1)'
refuses 2 'rate' train recipe.yaml
recipe 'data: gone.csv'
refuses 2 'gone.csv: no such file' train recipe.yaml
recipe 'epochs: 3'
refuses 2 'no data to train on' train recipe.yaml
refuses 2 'gone.yaml: cannot read: No such file' train gone.yaml
refuses 2 'no key is called epoch' train good.csv --data.train good.csv epoch=3
refuses 2 'softmax' train good.csv net='dense(classes) softmax'
refuses 2 'command line: net' train good.csv net='dense(5)'
recipe "data: good.csv" "define: gate(x): x * sigmoid(1.7*x)"
refuses 2 "recipe.yaml:2:16: not YAML" train recipe.yaml
has err quote
mkdir sub
cp good.csv sub
printf '%s\n' 'data: {train: good.csv, test: good.csv}' 'epochs: 1' >sub/small.yml
run 0 train sub/small.yml
has err 'nudge eval runs/small'
run 0 eval runs/small
has out '60 test rows of sub/good.csv'
[ ! -e runs/recipe ] || fail "a recipe with a mistake leaves a run behind"

# Names that would break a table or steer the terminal are shown without that.
awk -F , 'NR > 1 { $3 = "\"very\n\033[31m" $3 "\"" } { print $1 "," $2 "," $3 }' good.csv >steering.csv
run 0 train steering.csv epochs=1 -o steering
has err "always saying very  [31m"
run 0 eval steering
has out "very  [31mbig"

# Where no update was made, the learning rate is not to blame.
refuses 4 "no update was made before it" train good.csv net="dense(4) log dense(classes)" epochs=1 -o hole

"$NUDGE" train - epochs=1 -q -o piped <good.csv || fail "training from standard input"

# What cannot be monitored is said before anything is written.
refuses 2 'command line: monitor: no figure for classes is called acuracy; did you mean accuracy?' train good.csv monitor=acuracy -o unmade
refuses 2 'monitor: accuracy is judged by validation rows' train good.csv monitor=accuracy validation=0 -o unmade
[ ! -e unmade ] || fail "a wrong monitor leaves a run behind"

# A list where one value belongs is shown as it was written.
recipe 'data: good.csv' 'epochs: ["3"]'
refuses 2 'recipe.yaml:2: epochs: [3] is a list; write one value, such as 20' train recipe.yaml
recipe 'data: good.csv' 'shuffle: [yes, no]'
refuses 2 'shuffle: [yes, no] is a list' train recipe.yaml
refuses 2 'command line: epochs: [3] is a list' train good.csv epochs=[3]

# Data before the model.
for job in predict eval explain importance; do
    refuses 2 "$job: model is a model and stands before its data; the other way round: nudge $job model good.csv" \
        $job good.csv model
done
refuses 2 'nudge predict model/model.safetensors good.csv' predict good.csv model/model.safetensors

# The loss of a number that is standardised is no square of that number, and is not shown as if it were.
awk -F , '{ print $1 "," $2 }' good.csv >number.csv
run 0 train number.csv epochs=2 -o number
has err '· mse (standardised target) ·'
run 0 eval number
has out '(mse, standardised target)'
run 0 explain number --row 1
has out '(mse: the squared error, standardised target)'
run 0 train number.csv epochs=2 standardize=false -o plain --json
has out '"standardised_target":false'
run 0 eval plain
lacks out standardised

# ---- Runs
diverging=('optimizer=sgd(lr=1e30)' net='dense(8) relu dense(classes)' epochs=20 patience=0)
run 4 train good.csv "${diverging[@]}" -o wild
has err step layer wild/checkpoint.safetensors
run 4 train good.csv "${diverging[@]}" -o wild2 --json
has out '"event":"end","status":4,"reason":"diverged","directory":"wild2"' '"message":"loss became'
[ -s wild/checkpoint.safetensors ] || fail "no checkpoint is left"
refuses 2 'different nets' train --resume model net='dense(3) relu dense(classes)'
refuses 2 'folder: holds no run' train --resume folder
refuses 2 'absent: no such directory' train --resume absent
refuses 2 'leave out good.csv' train good.csv --resume model
refuses 2 "leave out --output other" train --resume model -o other
cp -r model broken
head -c 300 model/model.safetensors >broken/model.safetensors
refuses 2 'broken/model.safetensors' predict broken good.csv
head -c 300 model/checkpoint.safetensors >broken/checkpoint.safetensors
refuses 2 'broken/checkpoint.safetensors' train --resume broken
printf 'not a model' >broken/model.safetensors
refuses 2 'broken/model.safetensors' eval broken good.csv
refuses 2 "its recipe names no file of data; name one after it: piped data.csv" eval piped
cp -r model changed
printf '\377' | dd of=changed/model.safetensors bs=1 seek=$(($(wc -c <changed/model.safetensors) - 7)) conv=notrunc status=none
refuses 2 'changed/model.safetensors: corrupted: numbers in it have changed since it was written' predict changed good.csv
rm model/recipe.yaml
refuses 2 'recipe.yaml' eval model
