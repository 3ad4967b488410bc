# Two spirals, one turn and a half each, one inside the other: awk -f spirals.awk > spirals.csv
BEGIN {
    print "x,y,spiral"
    for (i = 0; i < 400; i++) {
        far = .15 + .85 * int(i / 2) / 199
        angle = 3 * 3.14159265358979 * far + (i % 2) * 3.14159265358979
        wobble = .03 * sin(12.9898 * i)
        printf "%.3f,%.3f,%s\n", (far + wobble) * cos(angle), (far + wobble) * sin(angle), i % 2 ? "right" : "left"
    }
}
