# A column of free text: found or named, read in tokens of every kind, padded where it is short, and what is padding changes
# nothing; every command knows it; the same bits for any number of threads and when resumed; every mistake has one message.
source "$SOURCE/tests/cli.bash"

# texts ROWS: sentences whose second last word says whether they praise; the rest says nothing.
texts() {
    awk -v rows="$1" 'BEGIN {
        n = split("the a my this film book song meal was seemed felt really quite rather today", word, " ")
        print "review,stars,kind"
        for (i = 0; i < rows; i++) {
            line = word[1 + (i*7)%n]
            for (k = 0; k < 3 + (i*5)%9; k++) line = line " " word[1 + (i*11 + k*k*3 + k)%n]
            good = (i*37)%5 < 2
            print "\"" line ", " (good ? "lovely" : "dreadful") " indeed " i "\"," (good ? 4 : 1) + i%2 "," (good ? "praise" : "blame")
        }
    }'
}
texts 150 >all.csv
cut -d , -f 1,2,4 all.csv >praise.csv # the comma within the quotes counts, too
sed -i '1s/.*/review,kind/' praise.csv
small='net=embedding(vocabulary, 8) gru(8, sequence=false) dense(classes)'

# ---- Nothing else to learn from: the text is found, and what was decided is said and written down.
run 0 train praise.csv epochs=20 -o runs/found
has err 'praise.csv · 150 rows · text review: ' ' different tokens (word), at most ' ' a row · target kind, the last column (2 classes): classify'
has err 'net embedding(vocabulary, 64) pool dense(classes)'
has runs/found/recipe.yaml 'text: review' 'tokens: word(' 'context: 1'
run 0 eval runs/found
has out 'accuracy               100 %'
run 0 train runs/found/recipe.yaml -o runs/again
cmp -s runs/found/model.safetensors runs/again/model.safetensors || fail "the recipe gives another model"
printf 'name,language\nanna,de\nola,no\ngreta,de\nnils,no\nuwe,de\nmagnus,no\nkurt,de\nsven,no\n' >names.csv
run 0 train names.csv epochs=2 validation=0 -o runs/names
has err 'different tokens (char), at most 6 a row' 'net embedding(vocabulary, 32) lstm(64, bidirectional=true, sequence=false)'

# ---- Beside other columns it is one only if the recipe says so.
run 0 train all.csv target=kind epochs=1 -o runs/beside
has err 'column review is left out: nearly every row has its own text (150 in 150 rows); to learn from it instead of the others: text=review' \
    '1 numeric column'
run 0 train all.csv target=kind text=review epochs=20 -o runs/named
has err 'text review: '
has runs/named/recipe.yaml 'ignore: [stars]'
run 0 train all.csv target=stars task=regress text=review "net=embedding(vocabulary, 8) pool dense(targets)" epochs=60 -o runs/stars
awk -v r2="$("$NUDGE" eval runs/stars --json | grep -o '"r2":[-0-9.]*' | cut -d : -f 2)" 'BEGIN { exit !(r2 > .7) }' || fail "no regression: $("$NUDGE" eval runs/stars)"

# ---- Tokens of every kind.
for tokens in char byte word 'word(30)' 'bpe(300)'; do
    run 0 train praise.csv "tokens=$tokens" "$small" 'optimizer=adam(lr=0.02)' epochs=2 -o "runs/$tokens"
done
run 0 train praise.csv tokens=char context=5 "$small" epochs=1 -o runs/cut
has err 'texts in column review have more than 5 tokens, which alone are read; the first at line 2'

# ---- Padding counts for nothing, forward and backward: half of a row or most of it gives the same model.
layers=('pool dense(classes)' 'pool(max) dense(classes)' 'pool(sum) dense(classes)' 'rnn(6, bidirectional=true, sequence=false) dense(classes)'
    'gru(6, layers=2, bidirectional=true, sequence=false) dense(classes)' 'lstm(6, bidirectional=true) pool dense(classes)'
    'lstm(6, layers=2, bidirectional=true, sequence=false) dense(classes)' 'attention(2) pool dense(classes)'
    'block(2) block(2, kv_heads=1) pool(max) dense(classes)' 'attention(2, causal=true) pool dense(classes)')
head -n 13 praise.csv >some.csv
for net in "${layers[@]}"; do
    for context in 20 45; do
        rm -rf runs/padded
        run 0 train some.csv "context=$context" validation=0 batch=4 micro=2 dtype=float64 epochs=3 'optimizer=sgd(lr=0.1)' \
            "net=embedding(vocabulary, 8) $net" -o runs/padded
        "$NUDGE" predict runs/padded some.csv | cut -d , -f 2 >"$context"
    done
    paste 20 45 | awk 'NR > 1 && ($1 - $2 > 1e-12 || $2 - $1 > 1e-12) { exit 1 } END { exit NR < 13 }' || fail "$net: padding counts: $(paste 20 45)"
    run 0 check some.csv context=20 "net=embedding(vocabulary, 4) $net"
done

# ---- A text by itself is told as it is among longer ones, an empty one too.
printf 'review,id\n"quite lovely indeed",1\n"",2\n"a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a dreadful",3\n' >new.csv
run 0 predict runs/found new.csv
[ "$(wc -l <out)" = 4 ] || fail "not a row a text: $(cat out)"
has err '1 of 3 texts in column review has no tokens; the first at line 3' '1 of 3 texts in column review has more than ' 'the first at line 4'
sed -n 2p new.csv | cut -d , -f 1 >alone.csv
"$NUDGE" predict runs/found alone.csv header=false >alone 2>err || fail "without header: $(cat err)"
[ "$(tail -n 1 alone)" = "$(sed -n 2p out)" ] || fail "another prediction: $(cat alone out)"
printf 'review\nlovely \303\251t\303\251 %%\n' >accents.csv
run 0 predict runs/char accents.csv
has err '1 of 1 texts in column review has characters that training did not see, which are left out; the first at line 2'
printf '%s\n' review '"lovely, indeed"' | "$NUDGE" predict runs/found --keep review >out 2>err || fail "from standard input: $(cat err)"
has out '"lovely, indeed",praise,'

# ---- The other commands.
run 0 eval runs/found all.csv
has out 'the 150 rows of all.csv'
run 0 importance runs/found
has out 'review '
run 0 cv praise.csv "$small" epochs=1 --folds 2
run 0 explain runs/found
has out 'embedding(vocabulary, 64)'
run 0 inspect runs/found
has out 'pool'
run 0 lr praise.csv "$small"

# ---- The same bits for any number of threads, and resumed.
run 0 train praise.csv "$small" epochs=3 -o runs/whole
for threads in 2 4; do
    run 0 train praise.csv "$small" epochs=3 threads=$threads -o runs/threads$threads
    cmp -s runs/whole/model.safetensors runs/threads$threads/model.safetensors || fail "$threads threads, other bits"
done
run 0 train praise.csv "$small" epochs=1 -o runs/part
run 0 train --resume runs/part epochs=3
cmp -s runs/whole/model.safetensors runs/part/model.safetensors || fail "resumed, other bits"

# ---- Mistakes.
refuses 2 'all.csv: text=revew: no column is called that; did you mean review?' train all.csv text=revew
refuses 2 'all.csv: column kind is both the target and the text' train all.csv text=kind target=kind
refuses 2 'all.csv: column review is both the text and ignored' train all.csv text=review ignore=review
refuses 2 'context: is about text; to learn from a column of all.csv, name it: text=COLUMN' train all.csv context=8
refuses 2 'lines: is about text files, but in praise.csv a column has the text' train praise.csv lines=true
refuses 2 'tokens: "chars" is not one of char' train praise.csv tokens=chars
refuses 2 'tokens: bpe needs the size' train praise.csv tokens=bpe
printf 'a,b\n,x\n,y\n,x\n' >none.csv
refuses 2 'none.csv: column a has no text in any row' train none.csv text=a
refuses 2 'has no column review, which the model was trained with' predict runs/found names.csv
