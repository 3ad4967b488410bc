# awk -f oscillator.awk >oscillator.csv
BEGIN { print "time,position"; for (i = 0; i <= 100; i++) printf "%.4f,%d\n", i*6.2832/100, i == 0 }
