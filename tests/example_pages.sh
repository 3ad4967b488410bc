# What README.md and docs/ show is what comes out; their C programs compile and run.
# labels: source
source "$SOURCE/tests/example.bash"
cd "$work"
transcripts "$SOURCE/README.md"
programs "$SOURCE/README.md"
has programs/1.out '[0 1] -> 0.9' '[1 1] -> 0.0'
programs "$SOURCE/docs/library.md"
