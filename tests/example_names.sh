# The net of Bengio et al. 2003 on letters reaches its loss. Only when the build is optimized: a sanitizer would make it long.
# labels: source
source "$SOURCE/tests/example.bash"
cd names
transcripts README.md
at_most "$("$NUDGE" eval runs/names --json | grep -o '"loss":[0-9.]*' | cut -d : -f 2)" 2.11
