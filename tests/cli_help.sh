# Help, version, man page and completions come from the tables, and say all that is in them; what is misspelt gets a
# suggestion.
source "$SOURCE/tests/cli.bash"

run 0 --version
[ "$(cat out)" = "nudge $(sed -n 's/^#define NUDGE_VERSION "\(.*\)"/\1/p' "$SOURCE/include/nudge.h")" ] ||
    fail "version: $(cat out)"

run 0 --help
commands=$(sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' out)
for command in train eval predict cv importance help; do
    echo "$commands" | grep -qx "$command" || fail "nudge --help does not name $command"
done
[ ! -s err ] || fail "help on standard error"
run 2
has err 'nudge train data.csv'
[ ! -s out ] || fail "without a command, the help is no result"

for command in $commands; do
    run 0 "$command" --help
    mv out long
    run 0 help "$command"
    cmp -s out long || fail "nudge help $command and nudge $command --help differ"
    has out "nudge $command" --json --quiet --help 'Exit status'
    awk -v most=100 'length > most { exit 1 }' out || fail "nudge help $command has long lines"
done
run 0 help train
has out '-o, --output DIR' '--resume DIR' epochs optimizer 'nudge train iris.csv'
run 0 help predict
has out '--keep COLUMNS'
lacks out '--resume'
run 0 help recipe
has out optimizer validation
awk "length > 80 { exit 1 }" out || fail "nudge help recipe has long lines"

run 0 help --man
mv out nudge.1
has nudge.1 '.TH NUDGE 1' '.SH COMMANDS' '.SH EXIT STATUS'
for command in $commands; do grep -q "^.SS nudge $command" nudge.1 || fail "the man page lacks $command"; done
if command -v mandoc >/dev/null; then mandoc -T lint -W error nudge.1 || fail "the man page is not sound"; fi
if command -v groff >/dev/null; then
    said=$(groff -man -Tutf8 -ww nudge.1 2>&1 >/dev/null)
    [ -z "$said" ] || fail "groff: $said"
fi

run 0 help --completion bash
cp out completion
bash -n completion
completed=$(bash -c 'source completion; COMP_WORDS=(nudge tr) COMP_CWORD=1; _nudge; echo "${COMPREPLY[*]}"')
[ "$completed" = train ] || fail "tr is completed to: $completed"
completed=$(bash -c 'source completion; COMP_WORDS=(nudge train ep) COMP_CWORD=2; _nudge; echo "${COMPREPLY[*]}"')
[ "$completed" = epochs= ] || fail "train ep is completed to: $completed"
for shell in zsh fish; do
    run 0 help --completion $shell
    for command in $commands; do has out "$command"; done
    if command -v $shell >/dev/null; then $shell -n out || fail "completions for $shell"; fi
done
refuses 2 'bash, zsh and fish' help --completion tcsh

refuses 2 'did you mean nudge train?' trian
refuses 2 'nudge train data.csv' data.csv
refuses 2 'did you mean --epochs?' train data.csv --epcohs 3
refuses 2 'did you mean epochs?' train data.csv epcohs=3
refuses 2 'did you mean --keep?' predict model --kep id
refuses 2 'no option is called --resume' predict model --resume x
refuses 2 '--epochs needs a value' train data.csv --epochs
refuses 2 '--resume DIR' train --resume
refuses 2 'takes no value' train data.csv --json=yes
refuses 2 'usage: nudge eval MODEL' eval
refuses 2 'one word too many' eval a b c d
refuses 2 'no option is called -x' train -x
refuses 2 'nothing is no command' help nothing
refuses 2 'no data to train on' train
refuses 2 "no job is called foo" bench xor xor xor xor xor xor foo
refuses 2 'not a whole number from 2' cv data.csv --folds 1

# Results that cannot be delivered.
if [ -w /dev/full ]; then
    status=0
    "$NUDGE" help >/dev/full 2>err || status=$?
    [ $status = 3 ] || fail "a full disk: exit status $status"
    has err 'standard output'
fi
status=0
{ "$NUDGE" help recipe 2>err || echo $? >status; } | true
[ ! -s err ] || fail "a closed pipe: $(cat err)"
