# Twenty sigmoid layers learn nothing; relu and residual pairs do.
# labels: source
source "$SOURCE/tests/example.bash"
cd vanishing
awk -f spirals.awk | cmp - spirals.csv || fail "spirals.csv is not what spirals.awk makes"
transcripts README.md
near "$(accuracy runs/sigmoid)" 50 0.1
at_least "$(accuracy runs/relu)" 95
at_least "$(accuracy runs/residual)" 95
