# The laws of the sources hold (script/law), and the checker sees each of them broken; the library exports only its
# own names.
# labels: source
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "law.sh: $*" >&2
    exit 1
}

# A small lawful project, to break one law at a time.
sound() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/docs" "$work/tree/tests" "$work/tree/bench" "$work/tree/src/base" "$work/tree/src/graph" \
        "$work/tree/src/data"
    cd "$work/tree"
    printf '# Design\n\n## The folders\n\n```\nbase/   first\ngraph/  second\ndata/   third\n```\n\n## Other\n' >docs/design.md
    cat >src/base/heap.h <<'END'
/* heap.h */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H
int heap_use(int free);
#endif
END
    cat >src/base/heap.c <<'END'
/* Its comment may say malloc(1) and "exit(1)". */
#include "base/heap.h"
#include <stdio.h>

static const char *heap_words = "a /* string */ may say malloc(1)";

static int heap_start(int a,
                      int b)
{
    return a + b;
}

int heap_use(int free)
{
    return heap_start(free, *heap_words);
}
END
    cat >src/data/gzip.c <<'END'
#include "graph/node.h"
#ifdef NUDGE_HAVE_ZLIB
#include <zlib.h>
#endif
END
    printf '#ifndef GRAPH_NODE_H\n#define GRAPH_NODE_H\n#include "base/heap.h"\n#endif\n' >src/graph/node.h
}

# finds WHAT: the checker complains once, and says so.
finds() {
    if bash "$SOURCE/script/law" "$work/tree" >"$work/said" 2>&1; then fail "not seen: $1"; fi
    grep -q -- "$1" "$work/said" || fail "expected \"$1\", got: $(cat "$work/said")"
    [ "$(wc -l <"$work/said")" = 1 ] || fail "one violation, several complaints: $(cat "$work/said")"
    sound
}

sound
bash "$SOURCE/script/law" "$work/tree" || fail "a lawful tree is complained about"

echo '#include "data/table.h"' >>src/graph/node.h
finds 'src/graph/node.h:5: graph/ may not include data/table.h'

echo '#include "node.h"' >src/graph/plain.c
finds 'src/graph/plain.c:1: include "node.h" with its folder'

printf '#include <stdio.h>\n#include "graph/node.h"\n' >src/graph/node.c
finds 'src/graph/node.c:1: a C file includes its own header, "graph/node.h", first'

mkdir src/extra && echo 'int extra_part;' >src/extra/extra.c
finds 'src/extra/extra.c:1: folder extra/ is not in the list'

echo '#include "extra/extra.h"' >src/graph/plain.c
finds 'src/graph/plain.c:1: folder extra/ is not in the list'

mkdir src/base/deep && echo 'int deep_part;' >src/base/deep/deep.c
finds 'src/base/deep/deep.c:1: sources stand in src/FOLDER/'

echo 'int heap_other;' >src/graph/heap.c
finds 'src/graph/heap.c:1: the file name heap is taken by src/base/'

printf '#ifndef NODE_H\n#define GRAPH_PLAIN_H\n#endif\n' >src/graph/plain.h
finds 'src/graph/plain.h:1: a header begins with #ifndef GRAPH_PLAIN_H'

printf '__attribute__((target("avx2"))) static void heap_start(void)\n{\n}\n' >src/graph/twice.c
finds 'src/graph/twice.c:2: the function name heap_start is taken by src/base/heap.c'

echo '#include <zlib.h>' >src/data/packed.c
finds 'src/data/packed.c:1: <zlib.h> needs a library: include it under'

printf '#ifdef NUDGE_HAVE_ZLIB\n#include <zlib.h>\n#endif\n' >src/graph/packed.c
finds 'src/graph/packed.c:2: <zlib.h> needs a library: only data'

echo 'static int taker(void) { return !!malloc(4); }' >src/graph/taker.c
finds 'src/graph/taker.c:1: malloc: all memory comes from'

echo 'static void say(void) { fputs("x", stderr); }' >src/data/say.c
finds 'src/data/say.c:1: stderr: only the command prints'

echo '# Design' >docs/design.md
finds 'docs/design.md has no list of folders'

bash "$SOURCE/script/law"

# Programs that link the shared library see nothing but nudge_*.
exported=$(nm -D --defined-only "$BUILD/libnudge.so" | awk '{ print $3 }')
echo "$exported" | grep -q '^nudge_version$' || fail "libnudge.so does not export nudge_version"
foreign=$(echo "$exported" | grep -v '^nudge_' || true)
[ -z "$foreign" ] || fail "libnudge.so exports" $foreign
