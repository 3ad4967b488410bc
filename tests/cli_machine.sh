# What the machine refuses (a full disk, a directory that may not be written) ends with status 3 and one message, and
# leaves what was there before.
source "$SOURCE/tests/cli.bash"

table 400 >data.csv

# A limit on the size of files stands for a full disk: as root a small one can be mounted, too.
status=0
(ulimit -f 1; exec "$NUDGE" train data.csv epochs=3 net='dense(64) relu dense(classes)' -o small >out 2>err) || status=$?
[ $status = 3 ] || fail "a file over the limit: exit status $status: $(cat err)"
has err 'small/'
[ "$(grep -c '^nudge: ' err)" = 1 ] || fail "not one message: $(cat err)"
[ ! -e small/checkpoint.safetensors ] || fail "half a checkpoint was left"

if [ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=16k tmpfs disk 2>/dev/null; then
    trap 'umount "$work/disk"; rm -rf "$work"' EXIT
    refuses 3 'make room on the disk' train data.csv epochs=3 net='dense(64) relu dense(classes)' -o disk/run
fi

# A checkpoint that cannot be replaced stays as it was.
run 0 train data.csv epochs=3 -o run
cp run/checkpoint.safetensors before
status=0
(ulimit -f 1; exec "$NUDGE" train --resume run epochs=6 >out 2>err) || status=$?
[ $status = 3 ] || fail "going on without room: exit status $status: $(cat err)"
cmp before run/checkpoint.safetensors
run 0 predict run data.csv

# Root may write anywhere, so another user tries.
mkdir closed
chmod 555 closed
chmod 755 .
cp "$NUDGE" nudge
as=()
if [ "$(id -u)" = 0 ]; then
    command -v setpriv >/dev/null || { echo "no setpriv to become another user with"; exit 77; }
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${as[@]}" ./nudge --version >/dev/null || { echo "another user cannot run the command here"; exit 77; }
fi
status=0
"${as[@]}" ./nudge train data.csv epochs=1 -o closed/run >out 2>err || status=$?
[ $status = 3 ] || fail "a closed directory: exit status $status: $(cat err)"
has err 'closed/run: ' 'Permission denied'
chmod 000 data.csv
status=0
"${as[@]}" ./nudge train data.csv >out 2>err || status=$?
[ $status = 3 ] || fail "a file that may not be read: exit status $status: $(cat err)"
has err 'data.csv: '
