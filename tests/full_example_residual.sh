# Two epochs: of residual nets the deeper one is no worse, of plain nets it is far worse.
# labels: source
source "$SOURCE/tests/example.bash"
cd residual
transcripts README.md
for net in plain20 residual20; do nudge train $net.yaml threads=1 --quiet; done
loss() { tail -n 1 "runs/$1/log.csv" | cut -d , -f 3; }
at_most "$(loss residual20)" 0.2
at_most "$(loss residual56)" "$(awk -v a="$(loss residual20)" 'BEGIN { print a + .05 }')"
at_least "$(loss plain56)" "$(awk -v a="$(loss residual56)" 'BEGIN { print 5*a }')"
at_most "$(loss plain20)" "$(awk -v a="$(loss plain56)" 'BEGIN { print a/2 }')"
