# All patterns of six bits, and whether each reads the same from both ends: awk -f symmetry.awk > symmetry.csv
BEGIN {
    print "a,b,c,d,e,f,symmetric"
    for (i = 0; i < 64; i++) {
        for (k = 0; k < 6; k++) bit[k] = int(i / 2^(5 - k)) % 2
        symmetric = bit[0] == bit[5] && bit[1] == bit[4] && bit[2] == bit[3]
        print bit[0] "," bit[1] "," bit[2] "," bit[3] "," bit[4] "," bit[5] "," symmetric
    }
}
