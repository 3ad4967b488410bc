# A table is enough.
# labels: source
source "$SOURCE/tests/example.bash"
cd iris
transcripts README.md
at_least "$(accuracy runs/iris iris.csv)" 95
at_least "$(nudge cv iris.csv --quiet | awk '/^accuracy/ { print $2 }')" 90
