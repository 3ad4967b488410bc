# Of a hundred starts at least 95 learn symmetry, most of them by weights of 1 : 2 : 4 with mirrored signs.
# labels: source
source "$SOURCE/tests/example.bash"
"$BUILD/example_symmetry_seeds" >out
[[ $(tail -n 1 out) =~ ^([0-9]+)\ of\ 100\ starts\ solved\;\ weights\ mirrored\ in\ ([0-9]+),\ 1\ :\ 2\ :\ 4\ in\ ([0-9]+)$ ]] ||
    fail "the last line is $(tail -n 1 out)"
at_least "${BASH_REMATCH[1]}" 95
at_least "${BASH_REMATCH[2]}" 90
at_least "${BASH_REMATCH[3]}" 60
