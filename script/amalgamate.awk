# Prints C files as one; script/amalgamate calls it with the files as arguments `core`, the folders they may
# include from, and `generated`, the folder of generated kernels or nothing. A project header is put in where it is first included, any other project file (.inc, .def) each time.
# System headers move to the top, unless they are under a condition. Macros that a C file defines for itself end with
# it, so that they need not be unique. Written for any awk.

function fail(message)
{
    print "amalgamate: " message > "/dev/stderr"
    failed = 1
    exit 1
}

function add(line)
{
    body[++lines] = line
}

# "src/nn/layer.h" -> "nn"
function folder_of(path,    part)
{
    split(path, part, "/")
    return part[2]
}

function needs_library(path,    line, found)
{
    while ((getline line < path) > 0)
        if (line ~ /^\/\* needs: /) found = 1
    close(path)
    return found
}

# What stands in the quotes or angle brackets of an #include.
function included_name(line)
{
    sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", line)
    sub(/[">].*/, "", line)
    return line
}

function include_system(line, conditional)
{
    if (conditional) {
        add(line)
    } else if (!(included_name(line) in system_seen)) {
        system_seen[included_name(line)] = 1
        headers = headers "#include <" included_name(line) ">\n"
    }
}

# A header under a condition may be absent from what is compiled, so the next include brings it again; its guard
# keeps it single.
function include_project(from, line, conditional,    path)
{
    path = "src/" included_name(line)
    if (path ~ /^src\/cpu\/fused(_list)?\.inc$/) {
        if (generated != "") put(generated "/" included_name(line), from, conditional)
        return
    }
    if (path in header_seen) return
    if (!index(" " core " ", " " folder_of(path) " "))
        fail(from " includes " path ", which is not in a folder of the core")
    if (needs_library(path))
        fail(from " is in the core and includes " path ", which needs a library")
    if (path ~ /\.h$/ && !conditional) header_seen[path] = 1
    put(path, from, conditional)
}

function include(from, line, conditional)
{
    if (included_name(line) == "nudge.h") return
    if (line ~ /</) include_system(line, conditional)
    else include_project(from, line, conditional)
}

# "#define _GNU_SOURCE" must come before all system headers.
function remember_feature(line)
{
    if (line in feature_seen) return
    feature_seen[line] = 1
    split(line, word, " ")
    features = features "#ifndef " word[2] "\n" line "\n#endif\n"
}

function remember_macro(line)
{
    sub(/^[ \t]*#[ \t]*define[ \t]+/, "", line)
    sub(/[^A-Za-z0-9_].*/, "", line)
    if (line in macros) return
    macros[line] = 1
    undefine = undefine "#undef " line "\n"
}

# Adds the lines of a file to the body. `depth` counts the conditions around a line; a header's guard is none.
function put(path, from, conditional,    line, status, depth)
{
    if (path in open_files) fail(from " includes " path " in a circle")
    open_files[path] = 1
    depth = path ~ /\.h$/ ? -1 : 0
    while ((status = (getline line < path)) > 0) {
        if (line ~ /^[ \t]*#[ \t]*if/) depth++
        if (line ~ /^[ \t]*#[ \t]*endif/) depth--
        if (line ~ /^#define _[A-Z]+_SOURCE/) remember_feature(line)
        else if (line ~ /^[ \t]*#[ \t]*include[ \t]*["<]/) include(path, line, conditional || depth > 0)
        else add(line)
        if (line ~ /^[ \t]*#[ \t]*define[ \t]/ && path !~ /\.h$/) remember_macro(line)
    }
    if (status < 0) fail(from " includes " path ", which cannot be read")
    close(path)
    delete open_files[path]
}

function print_licence(    line)
{
    while ((getline line < "LICENSE") > 0)
        print line == "" ? " *" : " * " line
}

BEGIN {
    for (i = 1; i < ARGC; i++) {
        undefine = ""
        split("", macros)
        add("\n/* ---- " ARGV[i] " ---- */\n")
        put(ARGV[i], "the command line", 0)
        if (undefine != "") add(undefine)
    }
    exit
}

END {
    if (failed) exit 1
    print "/* nudge.c: the core of nudge as one file, made from its sources. Compile it with your program and nudge.h:"
    print " *"
    print " *     cc program.c nudge.c -lm -lpthread"
    print " *"
    print_licence()
    print " */"
    printf "%s\n", features
    if (generated != "") print "#define NUDGE_FUSED\n"
    print "/* Every product and sum is rounded by itself, so that results do not depend on the compiler's choices. */"
    print "#if defined(__clang__)"
    print "#pragma STDC FP_CONTRACT OFF"
    print "#elif defined(__GNUC__)"
    print "#pragma GCC optimize(\"fp-contract=off\")"
    print "#endif"
    print ""
    print "#include \"nudge.h\""
    printf "%s", headers
    for (i = 1; i <= lines; i++) print body[i]
}
