# States carried from window to window of a text: what is longer than a window is learnt, judged and sampled; reading in pieces
# is reading the whole; the same bits for any number of threads; every mistake has one message.
source "$SOURCE/tests/cli.bash"

# One thread: nets as small as these gain nothing from more.
trains() { run 0 train "$@" --threads 1; }

net='net=embedding(vocabulary, 4) gru(16, carry=true) dense(classes)'

# ---- What comes next is told by more than the two tokens of a window.
for _ in $(seq 300); do printf aabababb; done >circle.txt
trains circle.txt context=2 batch=4 epochs=12 'optimizer=adam(lr=0.01)' "$net" -o runs/carried
has err ' of 2 · one text, whose state is carried on: next'
trains circle.txt context=2 batch=4 epochs=12 'optimizer=adam(lr=0.01)' "${net/true/false}" -o runs/fresh
perplexity() { "$NUDGE" eval "$@" --json | grep -o '"perplexity":[0-9.]*' | cut -d : -f 2; }
awk -v a="$(perplexity runs/carried)" -v b="$(perplexity runs/fresh)" 'BEGIN { exit !(a < 1.15 && b > 1.2) }' ||
    fail "carried: $(perplexity runs/carried), fresh: $(perplexity runs/fresh)"
run 0 sample runs/carried --prompt aabababb --temperature 0 --length 32
has out aabababbaabababbaabababbaabababbaabababb
run 0 sample runs/fresh --prompt aabababb --temperature 0 --length 32
lacks out aabababbaabababb
run 0 sample runs/carried --seed 5 --length 40
cp out first
run 0 sample runs/carried --seed 5 --length 40 --threads 2
cmp -s out first || fail "another sample with two threads"

# ---- One stream of short windows is judged as one long window is: the same loss. Two streams begin twice.
awk 'BEGIN { for (i = 0; i < 1200; i++) printf "%c", 97 + (i*i + i/7)%6 }' >long.txt
head -c 65 long.txt >short.txt
loss() { "$NUDGE" eval "$1" short.txt --json | grep -o '"loss":[0-9.]*' | cut -d : -f 2; }
for layer in rnn gru 'lstm(8, layers=2'; do
    layer=${layer/#rnn/rnn(8} && layer=${layer/#gru/gru(8}
    rm -rf runs/whole runs/pieces runs/two
    same=(long.txt dtype=float64 steps=1 'optimizer=sgd(lr=0)')
    trains "${same[@]}" context=64 "net=embedding(vocabulary, 4) $layer) dense(classes)" -o runs/whole
    trains "${same[@]}" context=8 batch=1 "net=embedding(vocabulary, 4) $layer, carry=true) dense(classes)" -o runs/pieces
    trains "${same[@]}" context=8 batch=2 "net=embedding(vocabulary, 4) $layer, carry=true) dense(classes)" -o runs/two
    awk -v a="$(loss runs/whole)" -v b="$(loss runs/pieces)" -v c="$(loss runs/two)" \
        'BEGIN { exit !(a > 0 && a - b < 1e-12 && b - a < 1e-12 && (a - c > 1e-9 || c - a > 1e-9)) }' ||
        fail "$layer: $(loss runs/whole), in pieces $(loss runs/pieces), in two streams $(loss runs/two)"
done

# ---- Bits, and what a model keeps: weights, no states.
for threads in 1 2 4; do
    run 0 train long.txt context=8 batch=7 epochs=3 threads=$threads "$net" -o runs/threads$threads
    cmp -s runs/threads1/model.safetensors runs/threads$threads/model.safetensors || fail "$threads threads, other bits"
done
grep -q hidden_l0 runs/threads1/checkpoint.safetensors || fail "no state in the checkpoint"
! grep -q hidden_l0 runs/threads1/model.safetensors || fail "a state in the model"
trains long.txt context=8 batch=7 epochs=1 "$net" -o runs/part
trains --resume runs/part epochs=3
cmp -s runs/threads1/model.safetensors runs/part/model.safetensors || fail "resumed, other bits"

# ---- The other commands take each row as a beginning.
run 0 explain runs/threads1
run 0 inspect runs/threads1
run 0 check long.txt context=4 'net=embedding(vocabulary, 3) lstm(4, carry=true) dense(classes)' --threads 1
run 0 predict runs/threads1 short.txt
run 0 lr long.txt context=8 "$net" --threads 1
run 0 cv long.txt context=8 batch=4 epochs=1 "$net" --folds 2 --threads 1

# ---- Mistakes.
printf 'abcdef\nfedcba\nabcabc\n' >lines.txt
refuses 2 'net: carry=true hands a state from window to window of one text' train lines.txt lines=true "$net"
refuses 2 'net: carry=true hands a state from window to window of one text' train long.txt context=8 \
    'net=embedding(vocabulary, 4) gru(4, carry=true, sequence=false) dense(classes)'
table 30 >table.csv
refuses 2 'net: carry=true hands a state' train table.csv 'net=reshape(-1, 2, 1) lstm(4, carry=true, sequence=false) dense(classes)'
refuses 2 'micro: each row of a batch carries its own 1.hidden_l0, which micro would mix up' train long.txt context=8 "$net" micro=2
refuses 2 '1.hidden_l0 has shape [5, 16] here, [7, 16] in the checkpoint' train --resume runs/part epochs=4 batch=5
trains long.txt context=8 steps=2 'net=embedding(vocabulary, 4) positions gru(4, carry=true) dense(classes)' -o runs/places
refuses 2 'the net has another 1.weight for 1 tokens at once than for 8, so it cannot go on token by token' sample runs/places
refuses 2 'a carried state begins as 0; write s[..] = 0 carried' train long.txt context=8 \
    'define.mine(x[n, t, c] | s[n, c] = 1 carried)=s <- x[:, 0]; x' 'net=embedding(vocabulary, 4) mine dense(classes)'
refuses 2 '1.s is carried by each row of a batch, but is [4]' train long.txt context=8 \
    'define.mine(x[n, t, c] | s[c] = 0 carried)=s <- x[0, 0]; x + s' 'net=embedding(vocabulary, 4) mine dense(classes)'
