# The C examples as they were built, so that they run under every sanitizer, too.
source "$SOURCE/tests/cli.bash"
"$BUILD/example_xor_xor" >out
[ "$(cat out)" = '[0 0] → 0.014 (expected 0)
[0 1] → 0.989 (expected 1)
[1 0] → 0.982 (expected 1)
[1 1] → 0.016 (expected 0)' ] || fail "the table is $(cat out)"
"$BUILD/example_xor_perceptron" >out
[ "$(grep -c '→ 0.500' out)" = 4 ] || fail "a perceptron says $(cat out)"
"$BUILD/example_custom_custom" >out
awk '{ exit $1 < 388 }' out || fail "the ring: $(cat out)"
"$BUILD/example_embed_train" >out
[ "$(grep -c '^sine of' out)" = 5 ] || fail "the sine: $(cat out)"
"$BUILD/example_embed_serve" >out
has out retrained '0 calls failed'
"$BUILD/example_symmetry_seeds" 1 300 >out
has out 'not within 300 sweeps' '0 of 1 starts solved'
"$BUILD/example_family_family" 1 >out
has out 'of 100 trained are right' 'to unit 6'
lacks out ': nobody'
"$BUILD/example_gan_gan" 1 3 >out
[ "$(grep -c 'of each cloud' out)" = 1 ] || fail "the clouds: $(cat out)"
