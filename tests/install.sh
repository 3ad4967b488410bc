# What is installed is enough for a program: pkg-config finds header and library wherever they were put, also moved.
# labels: source
set -eu
command -v pkg-config >/dev/null || { echo "no pkg-config to ask"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

cmake --install "$BUILD" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
cd "$work"
for file in bin/nudge include/nudge.h share/man/man1/nudge.1; do
    [ -s "moved/$file" ] || fail "$file is not installed"
done

PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name nudge.pc)")
export PKG_CONFIG_PATH
awk '!over && sub(/^ [*]     /, "") { print; over = /^}/ }' moved/include/nudge.h >xor.c
"${CC:-cc}" -o xor xor.c $(pkg-config --cflags --libs nudge) 2>said || fail "$(cat said)"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir nudge) ./xor >printed
[ "$(wc -l <printed)" = 4 ] || fail "the header's program says: $(cat printed)"
