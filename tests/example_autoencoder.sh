# Both autoencoders draw digits again within a fraction of an epoch; all of it is full_example_tables.sh.
# labels: source
source "$SOURCE/tests/example.bash"
cd autoencoder
few=(schedule= validation=0.005 --threads 1 --quiet)
explained() {
    awk -F , 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "explained") at = i } END { print $at }' "$1/log.csv"
}
nudge train dense.yaml steps=150 "${few[@]}" -o dense
at_least "$(explained dense)" .35
nudge train conv.yaml steps=80 "${few[@]}" -o conv
at_least "$(explained conv)" .3
gzip -dc ../digits/t10k-images-idx3-ubyte.gz | "$BUILD/example_autoencoder_pictures" dense conv >out
[ "$(wc -l <out)" = 33 ] || fail "the pictures are $(cat out)"
has out '▀▀████████' 'as they are'
if "$BUILD/example_autoencoder_pictures" dense </dev/null 2>err; then fail "nothing is drawn"; fi
has err 'usage: '

# 320 images are enough to see that bits are the same.
{
    printf '\0\0\010\003\0\0\001\100\0\0\0\034\0\0\0\034'
    gzip -dc ../digits/t10k-images-idx3-ubyte.gz | head -c $((16 + 320 * 784)) | tail -c +17
} >few
same_bits epochs 1 2 conv.yaml data=few batch=64 validation=0.1 schedule=
