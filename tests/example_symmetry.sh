# Mirror symmetry by two hidden units: the run of the page, and five starts. A hundred are full_example_symmetry.sh.
# labels: source
source "$SOURCE/tests/example.bash"
cd symmetry
awk -f symmetry.awk | cmp - symmetry.csv || fail "symmetry.csv is not what symmetry.awk makes"
transcripts README.md
same_bits steps 200 500 symmetry.yaml
