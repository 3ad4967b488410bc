# Benchmarks run and say what they should; how fast a machine is, no test can know.
source "$SOURCE/tests/cli.bash"

run 0 bench predict2 --threads 1 --json
[ "$(wc -l <out)" = 2 ] || fail "not a start and one object a job: $(cat out)"
has out '"event":"start"' '"peak_gflops":' '{"event":"result","job":"predict2","threads":1,"ms":' '"floor_ms":'
run 0 bench xor --threads 2
has err 'Gflop/s' 'GB/s'
has out 'ms/step' xor '%'
run 0 bench --profile tab128
has out 'measured one by one' matmul

run 0 bench predict2 --threads 1 --steps 3 --json
[ "$(wc -l <out)" = 1 ] || fail "not one object: $(cat out)"
has out '"job":"predict2"'
lacks out floor_ms
refuses 2 'not a whole number from 0' bench xor --steps many

refuses 2 'did you mean mlp32?' bench mlp3
refuses 2 'there are xor' bench --profile qqqqqqqqq
