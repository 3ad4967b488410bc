# A net and the linear model on concrete; all of it is full_example_tables.sh.
# labels: source
source "$SOURCE/tests/example.bash"
r2() { nudge eval "$@" --json --threads 1 | grep -o '"r2":[0-9.e-]*' | head -n 1 | cut -d : -f 2; }
cd regression
nudge train concrete.yaml epochs=60 --threads 1 --quiet -o net
at_least "$(r2 net)" .85
nudge train concrete.yaml net='dense(targets)' optimizer=lbfgs schedule= batch= --threads 1 --quiet -o linear
near "$(r2 linear)" .54752 1e-4 # least squares, by scikit-learn
same_bits epochs 1 2 concrete.yaml schedule=
