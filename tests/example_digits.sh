# MNIST to 98 %, and digits drawn. Only when the build is optimized: a sanitizer would make it long.
# labels: source
source "$SOURCE/tests/example.bash"
cd digits
transcripts README.md
at_least "$(accuracy runs/digits)" 98
gzip -dc t10k-images-idx3-ubyte.gz | ./show runs/digits >out
has out '▀▀▀▀▀▀▜▌' 'least sure'
sed -n 8p out | awk '{ exit !($1 == 7 && $4 == 2 && $7 == 1 && $10 == 0) }' || fail "the first digits are not 7 2 1 0: $(cat out)"
if ./show runs/digits <README.md >out 2>err; then fail "a page of text is drawn"; fi
has err 'not an IDX file'
if ./show nowhere </dev/null >out 2>err; then fail "a model is where there is none"; fi
has err nowhere
