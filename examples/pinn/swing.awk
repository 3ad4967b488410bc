# How near predictions come to the swing that starts at 1 with speed 0: the cosine of the time.
# nudge predict runs/oscillator oscillator.csv | awk -f swing.awk
NR > 1 { exact = cos((NR - 2)*6.2832/100); wrong += ($1 - exact)^2; all += exact^2 }
END { printf "relative L2 error %.1e\n", sqrt(wrong/all) }
