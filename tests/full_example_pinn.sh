# Both equations to the accuracy that the page names.
# labels: source
source "$SOURCE/tests/example.bash"
cd pinn
transcripts README.md
nudge predict runs/oscillator oscillator.csv | awk -f swing.awk >out
at_most "$(awk '{ print $4 }' out)" 1e-3
./exact runs/burgers >out
at_most "$(awk '/relative/ { print $4 }' out)" 5e-3
