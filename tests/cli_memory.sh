# A limit to memory: a net of a hundred layers in a quarter of what it keeps for the way back, for at most four tenths more
# products; the same bits; what is too little, and what is no size, is said.
source "$SOURCE/tests/cli.bash"
table 400 >data.csv
printf '%s\n' 'data: data.csv' 'net: repeat(100, dense(64) relu) dense(classes)' 'batch: 240' 'optimizer: sgd(lr=.01)' \
    'validation: .4' 'steps: 3' >deep.yaml

# number FILE KEY: of JSON.
number() {
    grep -o "\"$2\":[0-9]*" "$1" | head -1 | cut -d : -f 2
}

run 0 inspect deep.yaml --json
kept=$(number out activations_bytes)
[ "$(number out twice_multiply_adds)" = 0 ] || fail "values are computed twice without need"
refuses 2 'a step takes ' inspect deep.yaml memory=2KB
beside=$(sed -E 's/.*of them ([0-9.]+) MB.*/\1/' err)
quarter=$(awk -v b="$beside" -v k="$kept" 'BEGIN { printf "%d", b*1e6 + k/4 }')
run 0 inspect deep.yaml memory=${quarter}B --json
[ "$(number out step_bytes)" -le "$quarter" ] || fail "a step takes $(number out step_bytes) bytes of $quarter"
twice=$(number out twice_multiply_adds) all=$(number out step_multiply_adds)
[ "$twice" -gt 0 ] && [ $((10 * twice)) -le $((4 * (all - twice))) ] || fail "$twice of $all products are done twice"
run 0 inspect deep.yaml memory=${quarter}B
has out 'computed twice for want of memory: ' ' % more; were all kept, a step would take '

run 0 train deep.yaml -q -o free threads=1
run 0 train deep.yaml -q -o short threads=1 memory=${quarter}B
run 0 train deep.yaml -q -o two threads=2 memory="$((quarter / 1000 + 1)) kB"
cmp free/model.safetensors short/model.safetensors || fail "other bits with less memory"
cmp free/model.safetensors two/model.safetensors || fail "other bits with less memory and two threads"
has short/recipe.yaml "memory: ${quarter}B"

refuses 2 'a step takes ' train deep.yaml memory=2KB -o never
[ ! -e never ] || fail "a run that cannot be leaves a directory"
for size in 12 0MB -1MB 5XB MB 1e9TB; do
    refuses 2 "memory: \"$size\" is not a size of memory" inspect deep.yaml memory=$size
done
