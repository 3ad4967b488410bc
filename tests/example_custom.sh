# Formulas of one's own, from a recipe and from C.
# labels: source
source "$SOURCE/tests/example.bash"
cd custom
transcripts README.md
at_least "$(accuracy runs/custom ../iris/iris.csv)" 92
at_least "$(./custom | awk '{ print $1 }')" 388
nudge train runs/custom/recipe.yaml --quiet -o again
cmp runs/custom/model.safetensors again/model.safetensors
