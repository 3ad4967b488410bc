# Spam is told from other messages better than the paper did; the same bits for any number of threads and when resumed. Only
# when the build is optimized: a sanitizer would make it long.
# labels: source
source "$SOURCE/tests/example.bash"
cd spam
transcripts README.md
at_least "$(accuracy runs/spam)" 98.2
run 0 train spam.yaml epochs=2 threads=1 -o runs/whole
for threads in 2 4; do
    run 0 train spam.yaml epochs=2 threads=$threads -o runs/threads$threads
    cmp -s runs/whole/model.safetensors runs/threads$threads/model.safetensors || fail "$threads threads, other bits"
done
run 0 train spam.yaml epochs=1 -o runs/part
run 0 train --resume runs/part epochs=2
cmp -s runs/whole/model.safetensors runs/part/model.safetensors || fail "resumed, other bits"
