# What a network is made of and costs: the table, the plan, JSON, and what is refused.
source "$SOURCE/tests/cli.bash"
cp "$SOURCE/examples/iris/iris.csv" .

run 0 inspect iris.csv batch=16 'net=dense(32) relu dense(classes)'
has out 'layer              output     parameters       forward      backward      keeps' \
    'input              16x4                                                   256 B' \
    '0 dense(32)        16x32             160     4.1 kflop     4.1 kflop' \
    '1 relu             16x32                                                  2 KiB' \
    '2 dense(classes)   16x3               99     3.1 kflop     6.1 kflop      192 B' 'total' 'backward/forward 1.43' \
    '--plan shows the instructions'
lacks out matmul
run 0 inspect iris.csv --plan
has out ' matmul ' '0.weight[' 'multiply-adds'
run 0 inspect iris.csv --json
[ "$(wc -l <out)" = 1 ] || fail "--json is not one object: $(cat out)"
has out '"forward_multiply_adds":' '"peak_bytes":' '"path":"4"'
lacks out '"plan"'

run 0 train iris.csv epochs=1 -q -o small
run 0 inspect small
has out '4 dense(classes)' '1,315'

refuses 2 'did you mean dense?' inspect iris.csv net='dence(3)'
refuses 2 'gone.csv' inspect gone.csv
refuses 2 'is decided for a model that was trained' inspect small batch=8
