# A transformer and an LSTM begin to learn Shakespeare: after a few steps more than how frequent the letters are (3.35).
# labels: source
source "$SOURCE/tests/example.bash"
cd shakespeare
transcripts README.md
loss() {
    "$NUDGE" train "$1.yaml" steps="$2" -o "runs/$1" --json | grep '"event":"end"' | grep -o '"loss":[0-9.]*' | cut -d : -f 2
}
at_most "$(loss gpt 100)" 2.75
at_most "$(loss lstm 150)" 2.35
run 0 sample runs/lstm --prompt 'ROMEO:' --length 100
has out 'ROMEO:'
