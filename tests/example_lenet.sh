# Convolutions learn to read within a fraction of an epoch; all of it is full_example_lenet.sh.
# labels: source
source "$SOURCE/tests/example.bash"
cd lenet
nudge train lenet.yaml steps=150 'schedule=cosine(warmup=20)' validation=0.02 --quiet -o run
at_least "$(accuracy run)" 95
nudge inspect lenet.yaml >out
has out '3 conv(64, 5)' '51,264'
