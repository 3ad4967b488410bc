# The rare class is found by a net, not by a plane; all of it is full_example_tables.sh.
# labels: source
source "$SOURCE/tests/example.bash"
figure() { name=$1; shift; nudge eval "$@" --json --threads 1 | grep -o "\"$name\":[0-9.e-]*" | head -n 1 | cut -d : -f 2; }
cd imbalance
nudge train satellite.yaml epochs=20 --threads 1 --quiet -o net
at_least "$(figure average_precision net)" .7
at_least "$(figure f1 net)" .8
nudge train satellite.yaml epochs=10 net='dense(classes)' --threads 1 --quiet -o linear
at_most "$(figure average_precision linear)" .3
nudge train satellite.yaml epochs=10 balance=true loss=cross_entropy threshold= --threads 1 --quiet -o balanced
at_least "$(figure balanced_accuracy balanced)" .83
same_bits epochs 1 2 satellite.yaml schedule=
