# Text: a file alone is enough; tokens of every kind; lines; windows and single targets; eval, predict and sample; the same
# bits when resumed; and every mistake has one message.
source "$SOURCE/tests/cli.bash"

# A text that is easy to learn: words that follow each other in a circle.
text() {
    awk -v lines="$1" 'BEGIN {
        n = split("the cat sat on the mat and saw the dog that ate the rat", word, " ")
        for (i = 0; i < lines; i++) { line = ""; for (k = 0; k < 7; k++) line = line (k ? " " : "") word[(i * 7 + k) % n + 1]; print line }
    }'
}
text 200 >verse.txt
cat <<'END' >names.txt
anna
bob
clara
dora
eve
hannah
otto
ada
elle
ava
END
small='net=embedding(vocabulary, 8) lstm(16) dense(classes)'
tiny='net=embedding(vocabulary, 4) flatten dense(16) tanh dense(classes)'

# figure NAME MODEL [DATA...]
figure() {
    local name=$1
    shift
    "$NUDGE" eval "$@" --json | grep -o "\"$name\":[0-9.e-]*" | head -n 1 | cut -d : -f 2
}
below() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a < b) }' || fail "$1 is not below $2"
}

# ---- A file alone is enough, and the recipe says what was decided.
run 0 train verse.txt steps=3 batch=4
has err 'verse.txt · ' ' tokens, 15 different (char) · ' 'one text: next' 'rows held out' 'by how often each token occurs' \
    'nudge sample runs/verse'
has runs/verse/recipe.yaml 'task: next' 'tokens: char' 'context: 64' 'lines: false' 'net: embedding(vocabulary, 64) positions'
run 0 eval runs/verse
has out 'validation windows of ' 'perplexity' 'bits_per_byte'
run 0 inspect runs/verse
run 0 explain runs/verse

# ---- It learns: tokens of every kind, one target a row or one for each token.
for tokens in char byte word 'bpe(280)'; do
    run 0 train verse.txt "tokens=$tokens" context=16 "$small" 'optimizer=adam(lr=0.02)' epochs=40 batch=16 -o "runs/$tokens"
    below "$(figure bits_per_byte "runs/$tokens")" 0.6
    run 0 sample "runs/$tokens" --prompt 'saw the dog' --temperature 0 --length 30
    has out 'saw the dog that ate the '
done
run 0 train verse.txt context=8 "$tiny" 'optimizer=adam(lr=0.02)' epochs=3 -o runs/last
below "$(figure perplexity runs/last)" 1.3
run 0 sample runs/last --prompt 'and saw ' --temperature 0.1
has out 'and saw the dog'

run 0 eval runs/char verse.txt
has out ' windows of verse.txt: loss '

# ---- Samples depend on the seed only, on no number of threads, and stay among the likeliest.
run 0 sample runs/last --seed 3 --length 60
cp out first
run 0 sample runs/last --seed 3 --length 60 --threads 2
cmp -s out first || fail "another sample with the same seed"
run 0 sample runs/last --seed 4 --length 60
cmp -s out first && fail "the same sample with another seed"
run 0 sample runs/last --top-k 1 --length 20 --seed 1
cp out first
run 0 sample runs/last --temperature 0 --length 20 --seed 9
cmp -s out first || fail "the likeliest token is not the only one of top-k 1"
run 0 sample runs/last --length 5 --json
[ "$(grep -c '"event":"piece"' out)" -ge 5 ] || fail "not a piece a token: $(cat out)"

# ---- Lines: samples of their own, with padding that does not count.
run 0 train names.txt lines=true validation=0.2 "$small" epochs=30 batch=4 'optimizer=adam(lr=0.02)' -o runs/lines
has err '10 rows of 7 · line by line: next · 2 rows held out'
has runs/lines/recipe.yaml 'context: 7' 'lines: true'
run 0 sample runs/lines --length 40
[ "$(wc -l <out)" -gt 3 ] || fail "lines do not end: $(cat out)"
run 0 eval runs/lines names.txt --json
has out '"tokens":49,'
run 0 train names.txt lines=true context=3 validation=0.2 "$tiny" epochs=30 -o runs/three
has err '49 rows of 3'
run 0 eval runs/three names.txt --json
has out '"tokens":49,'

# A row a line, and together they are as likely as the text of lines: padding counts nowhere.
for model in lines three; do
    run 0 predict runs/$model names.txt
    [ "$(head -n 1 out)" = text,tokens,loss,perplexity ] || fail "header: $(head -n 1 out)"
    [ "$(wc -l <out)" = 11 ] || fail "not a row a line: $(cat out)"
    mean=$(awk -F , 'NR > 1 { sum += $2*$3; n += $2 } END { print sum/n }' out)
    below "$(awk -v a="$mean" -v b="$(figure loss runs/$model names.txt)" 'BEGIN { d = a - b; print d < 0 ? -d : d }')" 1e-4
    below "$(awk -v a="$mean" -v b="$(figure log_loss runs/$model names.txt)" 'BEGIN { d = a - b; print d < 0 ? -d : d }')" 1e-4
done
printf 'anna\r\n\nbob' | "$NUDGE" predict runs/lines --json >out 2>err || fail "from standard input: $(cat err)"
has out '"text":"anna","tokens":5,' '"text":"bob","tokens":4,'

# ---- Several files, gzip, standard input, parts of their own.
head -n 100 verse.txt | gzip >a.txt.gz
tail -n 100 verse.txt >b.txt
run 0 train 'data=[a.txt.gz, b.txt]' context=16 "$small" steps=2 -o runs/two
run 0 train verse.txt context=16 "$small" steps=2 -o runs/one
cmp -s runs/one/model.safetensors runs/two/model.safetensors || fail "two halves are not the whole"
"$NUDGE" train - tokens=char context=16 "$small" steps=2 -o runs/stdin <verse.txt 2>err || fail "from standard input: $(cat err)"
run 0 train a.txt.gz data.validation=b.txt data.test=b.txt context=16 "$small" steps=2 -o runs/apart
run 0 eval runs/apart
has out 'test windows of '

# ---- Resumed from the middle of an epoch, with the same bits; more threads and micro-batches run, too.
run 0 train verse.txt context=16 "$small" epochs=3 batch=8 -o runs/whole
run 0 train verse.txt context=16 "$small" epochs=1 batch=8 -o runs/part
run 0 train --resume runs/part epochs=3
cmp -s runs/whole/model.safetensors runs/part/model.safetensors || fail "resumed, other bits"
run 0 train verse.txt context=16 "$small" epochs=3 batch=8 threads=2 -o runs/threads
cmp -s runs/whole/model.safetensors runs/threads/model.safetensors || fail "two threads, other bits"
run 0 train names.txt lines=true "$small" steps=3 batch=4 micro=2 -o runs/micro

# The whole recipe again gives the same model.
run 0 train runs/whole/recipe.yaml -o runs/again
cmp -s runs/whole/model.safetensors runs/again/model.safetensors || fail "the recipe gives another model"

# ---- The other commands.
run 0 cv names.txt lines=true context=3 "$tiny" epochs=1 --folds 2
has out 'perplexity'
run 0 check verse.txt context=4 'net=embedding(vocabulary, 3) gru(4) dense(classes)'

# ---- Mistakes.
: >empty.txt
printf 'ab\nc\351\n' >latin.txt
refuses 2 'empty.txt: is empty' train empty.txt
refuses 2 'latin.txt:2:2: the byte 0xE9 is not UTF-8' train latin.txt
refuses 2 'names.txt: has 49 tokens, but context is 64' train names.txt
refuses 2 'tokens: "chars" is not one of char' train verse.txt tokens=chars
refuses 2 'tokens: bpe(100): the vocabulary has from 257' train verse.txt 'tokens=bpe(100)'
refuses 2 'tokens: bpe needs the size' train verse.txt tokens=bpe
refuses 2 'balance: weights the classes of a target' train names.txt lines=true context=3 "$tiny" balance=true
refuses 2 'context:' train verse.txt context=0
refuses 2 'target: is about the columns of a table, but verse.txt is read as text' train verse.txt tokens=char target=x
refuses 2 'task: classify is about a target' train verse.txt tokens=char task=classify
table 30 >table.csv
refuses 2 'context: is about text' train table.csv context=8
refuses 2 'gives 5 numbers for each row, but there are 15 classes' train verse.txt 'net=embedding(vocabulary, 8) dense(5)'
refuses 2 'not a list of numbers for each row' train verse.txt 'define.shorter(x)=x[:, 1:]' 'net=embedding(vocabulary, 15) shorter'
refuses 2 'names.txt:2:1: the character "b" is none' predict runs/last names.txt
refuses 2 '--prompt:1:5: the character "é" is none of the 15' sample runs/last --prompt 'the é'
refuses 2 '--prompt: 1 of its words is not' sample runs/word --prompt 'the zebra'
refuses 2 '--temperature: "hot" is not a number from 0 to 100' sample runs/last --temperature hot
refuses 2 '--top-k: "-1" is not a whole number' sample runs/last --top-k -1
refuses 2 '--length: "0" is not a whole number' sample runs/last --length 0
run 0 train table.csv epochs=1 -o runs/table
refuses 2 'was not trained on text' sample runs/table
refuses 2 '--row: shows how numbers become a prediction' explain runs/last --row 1
