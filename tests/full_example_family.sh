# Of a hundred runs nearly all learn all they are shown, and most know at least two of the four facts that are held out.
# labels: source
source "$SOURCE/tests/example.bash"
"$BUILD/example_family_family" 1 100 >out
[[ $(tail -n 1 out) =~ ^all\ trained\ right\ in\ ([0-9]+)\ of\ 100\ runs,\ at\ least\ 2\ of\ 4\ held\ out\ in\ ([0-9]+)\; ]] ||
    fail "the last line is $(tail -n 1 out)"
at_least "${BASH_REMATCH[1]}" 90
at_least "${BASH_REMATCH[2]}" 51
