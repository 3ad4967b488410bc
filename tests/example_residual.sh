# Fifty-six layers learn from a fraction of an epoch if pairs of them add to what they get, and else do not; two epochs of all
# four nets are full_example_residual.sh.
# labels: source
source "$SOURCE/tests/example.bash"
cd residual

# learns NET: the training loss of its last steps.
learns() {
    nudge train "$1.yaml" steps=100 threads=1 log=1 --quiet -o "run-$1"
    tail -n 20 "run-$1/log.csv" | awk -F , '{ sum += $3; n++ } END { print sum/n }'
}
at_most "$(learns residual56)" 0.5
at_least "$(learns plain56)" 1.2
# In few and large steps, which are enough to see it.
images=../digits/t10k-images-idx3-ubyte.gz labels=../digits/t10k-labels-idx1-ubyte.gz
same_bits epochs 1 2 residual20.yaml batch=5000 "data={train: [$images, $labels]}" \
    'net=flatten dense(16) relu repeat(3, residual(dense(16) relu dense(16, init=zeros)) relu) dense(classes)'
