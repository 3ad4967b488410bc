# A short game already sends most points to the clouds, and some to each; the whole one is full_example_gan.sh.
# labels: source
source "$SOURCE/tests/example.bash"
"$BUILD/example_gan_gan" 1 1500 >out
at_least "$(awk 'END { print $1 }' out)" 40
awk '/deviations/ { for (i = 9; i <= 16; i++) if (!($i >= 1)) exit 1; exit NF != 16 }' out || fail "clouds are left out: $(tail -1 out)"
"$BUILD/example_gan_gan" 1 20 >one
"$BUILD/example_gan_gan" 1 20 >again
cmp one again || fail "the same seed gives other points"
