# Where Burgers' equation is asked for: points of [-1, 1] x [0, 1], spread evenly by the fractions of multiples of two
# irrational numbers, then the edge, where u is known.
# awk -f burgers.awk >burgers.csv
function row(x, t, u) { printf "%.6f,%.6f,%.6f\n", x, t, u }
BEGIN {
    inside = 2000; edge = 50; pi = 3.14159265358979
    print "x,t,u"
    for (i = 0; i < inside; i++) row(2*((.5 + i*0.7548776662466927) % 1) - 1, (.5 + i*0.5698402909980532) % 1, 0)
    for (i = 0; i < edge; i++) row(2*(i + .5)/edge - 1, 0, -sin(pi*(2*(i + .5)/edge - 1)))
    for (i = 0; i < edge; i++) row(i % 2 ? 1 : -1, (i + .5)/edge, 0)
}
