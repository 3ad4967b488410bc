# A net learns a swing from its equation; Burgers' equation falls, with the same bits for any number of threads and after a
# stop. All of it is full_example_pinn.sh.
# labels: source
source "$SOURCE/tests/example.bash"
cd pinn
awk -f burgers.awk | cmp - burgers.csv || fail "burgers.csv is not what burgers.awk makes"
awk -f oscillator.awk | cmp - oscillator.csv || fail "oscillator.csv is not what oscillator.awk makes"
nudge train oscillator.yaml --quiet
nudge predict runs/oscillator oscillator.csv | awk -f swing.awk >out
at_most "$(awk '{ print $4 }' out)" 1e-3
nudge check burgers.yaml >out
has out 'every gradient is right'

loss() { tail -1 "$1/log.csv" | cut -d, -f3; }
nudge train burgers.yaml epochs=12 threads=1 --quiet -o one
at_most "$(loss one)" 0.8 # it begins with 2.4
for threads in 2 4; do
    nudge train burgers.yaml epochs=12 threads=$threads --quiet -o several$threads
    cmp one/model.safetensors several$threads/model.safetensors || fail "$threads threads give other bits"
done
nudge train burgers.yaml epochs=5 threads=1 --quiet -o stopped
nudge train --resume stopped epochs=12 --quiet
cmp one/model.safetensors stopped/model.safetensors || fail "a run that was stopped and went on has other bits"
