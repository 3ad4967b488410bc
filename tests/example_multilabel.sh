# Fourteen labels of a gene, better than a linear model tells them; all of it is full_example_tables.sh.
# labels: source
source "$SOURCE/tests/example.bash"
figure() { name=$1; shift; nudge eval "$@" --json --threads 1 | grep -o "\"$name\":[0-9.e-]*" | head -n 1 | cut -d : -f 2; }
cd multilabel
nudge train yeast.yaml epochs=15 --threads 1 --quiet -o net
nudge train yeast.yaml epochs=15 net='dense(targets)' --threads 1 --quiet -o linear
at_least "$(figure accuracy net)" .795
at_least "$(figure subset_accuracy net)" .13
at_least "$(figure accuracy net)" "$(figure accuracy linear)"
at_most "$(figure log_loss net)" "$(figure log_loss linear)"
gzip -dc yeast-test.csv.gz | head -n 3 | nudge predict net >out
head -n 1 out | tr , '\n' | grep -c '^p_class' >count
[ "$(cat count)" = 14 ] || fail "predictions are $(cat out)"
same_bits epochs 1 2 yeast.yaml schedule=
