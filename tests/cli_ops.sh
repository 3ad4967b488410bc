# The tables of what networks are written with.
source "$SOURCE/tests/cli.bash"

run 0 ops
has out 'operations on each element' 'activations' 'losses: ' 'optimizers: ' 'schedules: ' 'initialisers: ' \
    '  softplus ' '  adamw ' '  cosine ' '  residual ' '  cross_entropy '
lacks out adam_step
run 0 ops elu
has out 'elu(x, alpha=1):' '    where(0 < x, x, alpha*expm1(min(x, 0)))' 'Clevert' 'gradient: where(0 < x, dy, dy*(y + alpha))'
run 0 ops tanh
has out 'gradient: dy*(1 - y*y)'
run 0 ops adam_step
has out helper
run 0 ops adam --json
[ "$(wc -l <out)" = 1 ] || fail "--json is not one object: $(cat out)"
has out '"name":"adam","category":"optimizer"' 'Kingma and Ba 2014'

refuses 2 'nothing is called sigmoidd; did you mean sigmoid?' ops sigmoidd
refuses 2 '`nudge ops` lists all there is' ops qqqqqqqqqq
refuses 2 'one word too many' ops elu tanh
