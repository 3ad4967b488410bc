# The whole game covers all eight clouds from several beginnings.
# labels: source
source "$SOURCE/tests/example.bash"
cd gan
transcripts README.md
for seed in 1 2 3 4 5; do
    ./gan $seed >out
    at_least "$(awk 'END { print $1 }' out)" 80
    awk '/deviations/ { for (i = 9; i <= 16; i++) if (!($i >= 5)) exit 1; exit NF != 16 }' out || fail "seed $seed: $(tail -1 out)"
done
