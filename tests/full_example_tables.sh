# The pages of regression, imbalance, multilabel and autoencoder, whole, and the figures that they name.
# labels: source
source "$SOURCE/tests/example.bash"
figure() { nudge eval "$2" --json | grep -o "\"$1\":[0-9.e-]*" | head -n 1 | cut -d : -f 2; }
for page in regression imbalance multilabel autoencoder; do
    cd $page
    transcripts README.md
    cd ..
done
at_least "$(figure r2 regression/runs/concrete)" .92
at_least "$(figure f1 imbalance/runs/satellite)" .82
at_least "$(figure subset_accuracy multilabel/runs/yeast)" .16
at_most "$(figure loss autoencoder/runs/dense)" .0078
at_most "$(figure loss autoencoder/runs/conv)" .0061
