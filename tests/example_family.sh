# Two family trees: the run of the page knows what it was trained on, and facts that it was not. A hundred runs are
# full_example_family.sh.
# labels: source
source "$SOURCE/tests/example.bash"
cd family
transcripts README.md
"$BUILD/example_family_family" 1 6 >out
[[ $(tail -n 1 out) =~ ^all\ trained\ right\ in\ ([0-9]+)\ of\ 6\ runs,\ .*\ held\ out\ ([0-9]+)\ of\ 24$ ]] ||
    fail "the last line is $(tail -n 1 out)"
at_least "${BASH_REMATCH[1]}" 4
at_least "${BASH_REMATCH[2]}" 5
