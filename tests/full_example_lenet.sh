# MNIST by convolutions to 99.2 %, as the page says.
# labels: source
source "$SOURCE/tests/example.bash"
cd lenet
transcripts README.md
at_least "$(accuracy runs/lenet)" 99.2
