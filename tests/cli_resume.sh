# A run that was interrupted and resumed leaves the same bits as one that never was; a signal ends the command as a
# signal does, and names the command that goes on.
source "$SOURCE/tests/cli.bash"

table 2000 >data.csv
common=(epochs=16 patience=0 batch=8 log=50 --threads 1)
run 0 train data.csv "${common[@]}" -o whole

lines() { cat "$1" 2>/dev/null | wc -l; }

# interrupt SIGNAL STATUS LINES: runs "$@" until log.csv has so many lines, then sends the signal.
interrupt() {
    local signal=$1 want=$2 lines=$3 got=0 process
    shift 3
    set -m
    "$NUDGE" "$@" >out 2>err </dev/null &
    process=$!
    set +m
    for _ in $(seq 2000); do
        [ "$(lines cut/log.csv)" -ge "$lines" ] && break || sleep 0.005
    done
    kill -"$signal" $process || fail "it was over before the signal: $(cat err)"
    wait $process || got=$?
    [ $got = "$want" ] || fail "after SIG$signal: exit status $got: $(cat err)"
    has err 'to go on: nudge train --resume cut' 'stopped at step'
    [ -s cut/checkpoint.safetensors ] || fail "no checkpoint"
}

interrupt INT 130 5 train data.csv "${common[@]}" -o cut
step=$(sed -n 's/stopped at step \([0-9]*\),.*/\1/p' err)
awk -F , -v most="$step" 'NR > 1 && $1 > most { exit 1 }' cut/log.csv || fail "log.csv goes beyond the checkpoint"
interrupt TERM 143 40 train --resume cut
run 0 train --resume cut
for file in model.safetensors checkpoint.safetensors log.csv recipe.yaml; do
    cmp "whole/$file" "cut/$file"
done

# Where it goes on is said; so is that nothing is left, and how to have more.
run 0 train --resume cut
has err 'nothing is left to do: all 16 epochs are done; to go on: nudge train --resume cut epochs=32'
run 0 train --resume cut epochs=17 threads=1 --json
has out '"event":"resume","step":3600,"steps":3825,"epoch":16,"epochs":17' '"event":"end"' '"epoch":17'
run 0 train data.csv epochs=9 batch=900 patience=1 threads=1 'optimizer=sgd(lr=0)' -o idle
run 0 train --resume idle threads=1
has err 'nothing is left to do: no better for 1 epochs; to go on: nudge train --resume idle patience=2'

# A run that ended amid an epoch goes on there, and is in the end what it would have been without an end between.
short=(threads=1 batch=300 patience=0 validation=0.1 monitor=loss 'average=ema(.9)')
run 0 train data.csv "${short[@]}" epochs=4 -o straight
run 0 train data.csv "${short[@]}" steps=10 -o part
run 0 train --resume part threads=1 epochs=4
has err 'goes on after step 10 of 24, in epoch 2 of 4' 'epoch 4/4'
lacks err '5/4'
"$NUDGE" eval straight data.csv >want && "$NUDGE" eval part data.csv >got && cmp want got
run 0 train --resume part threads=1 steps=26
has err 'goes on after step 24 of 26, in epoch 5 of 5' 'epoch 5/5'
run 0 train --resume part threads=1 batch=600 epochs=7
has err 'goes on after step 26 of 34, in epoch 5 of 7' 'epoch 7/7'

# Where there is nothing to save, a signal ends the command at once.
mkfifo in
set -m
"$NUDGE" predict whole <in >out 2>err &
process=$!
set +m
exec 3>in
head -n 2 data.csv >&3
for _ in $(seq 200); do [ "$(lines out)" = 2 ] && break || sleep 0.05; done
kill -INT $process
got=0
wait $process || got=$?
[ $got = 130 ] || fail "predict ends with $got after SIGINT: $(cat err)"
