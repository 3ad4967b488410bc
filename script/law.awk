# The rules of script/law; it passes the files as arguments and `folders`, their folders in order. Every rule is a
# function; the tables in BEGIN say what is allowed where. Written for any awk, and for code in the project's format.

BEGIN {
    split(folders, order, " ")
    for (i in order) rank[order[i]] = i + 0
    for (i = 1; i < ARGC; i++) exists[ARGV[i]] = 1

    # Calls and variables that belong to certain files only: what follows the word, words, the files, the reason.
    rule("(", "malloc calloc realloc free strdup strndup aligned_alloc posix_memalign", "^src/base/memory[.]c$",
         "all memory comes from memory_* (base/memory.h)")
    rule("(", "strtod strtof strtold atof localeconv", "^src/base/text[.]c$",
         "numbers are read by number_read (base/text.h), alike in every locale")
    rule("(", "setlocale newlocale uselocale", "^$", "the locale belongs to the program")
    rule("(", "rand srand random srandom drand48", "^$", "random numbers come from philox (base/philox.h)")
    rule("(", "exit _exit quick_exit abort raise signal sigaction", "^src/cli/",
         "only the command decides about the process")
    rule("(", "printf vprintf puts putchar perror", "^src/cli/", "only the command prints")
    rule("", "stdout stderr", "^src/cli/", "only the command prints")

    attribute = "__attribute__ *[(][(][^()]*([(][^()]*[)])?[^()]*[)][)]"
    library_folders = "^src/(data|format|jobs|cli)/"
    libc = "^(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg" \
           "|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|tgmath|time|uchar|wchar|wctype" \
           "|pthread|sched|unistd|fcntl|dirent|poll|termios|(sys|linux)/[a-z]+|immintrin|x86intrin|cpuid|arm_neon|nudge)[.]h$"
}

function rule(suffix, words, where, why,    word, n, i)
{
    n = split(words, word, " ")
    for (i = 1; i <= n; i++) {
        allowed[word[i] suffix] = where
        reason[word[i] suffix] = word[i] ": " why
    }
}

function complain(message)
{
    print FILENAME ":" FNR ": " message
    broken = 1
}

# ---- Reading code: comments and strings fall away ------------------------------------------------------------------

function code_of(line,    out, at)
{
    out = ""
    while (line != "") {
        if (in_comment) {
            at = index(line, "*/")
            if (!at) return out
            line = substr(line, at + 2)
            in_comment = 0
        } else if (match(line, /\/[*]|\/\/|"|'/)) {
            out = out substr(line, 1, RSTART - 1)
            line = substr(line, RSTART)
            if (line ~ /^\/\//) return out
            if (line ~ /^\/[*]/) {
                in_comment = 1
                line = substr(line, 3)
            } else if (match(line, /^("([^"\\]|\\.)*"|'([^'\\]|\\.)*')/)) {
                out = out (line ~ /^"/ ? "\"\"" : "0")
                line = substr(line, RLENGTH + 1)
            } else {
                return out
            }
        } else {
            return out line
        }
    }
    return out
}

# ---- Files ---------------------------------------------------------------------------------------------------------

function start_file(    part, n)
{
    n = split(FILENAME, part, "/")
    in_src = part[1] == "src"
    folder = in_src ? part[2] : ""
    stem = part[n]
    sub(/[.][a-z]+$/, "", stem)
    in_comment = includes = directives = depth = 0
    head = ""
    check_place(n)
    check_stem()
}

function check_place(parts)
{
    if (!in_src) return
    if (parts != 3) complain("sources stand in src/FOLDER/")
    else if (!(folder in rank)) complain("folder " folder "/ is not in the list of docs/design.md")
}

function check_stem(    place)
{
    place = FILENAME
    sub(/[^\/]*$/, "", place)
    if (stem in stem_place && stem_place[stem] != place)
        complain("the file name " stem " is taken by " stem_place[stem] "; choose another")
    stem_place[stem] = place
}

function check_guard(line,    guard, part)
{
    if (!in_src || FILENAME !~ /[.]h$/ || directives > 2) return
    guard = toupper(folder "_" stem "_h")
    split(line, part, " ")
    if (part[1] != (directives == 1 ? "#ifndef" : "#define") || part[2] != guard)
        complain("a header begins with #ifndef " guard " and #define " guard)
}

# ---- Includes ------------------------------------------------------------------------------------------------------

function check_include(line,    name, own)
{
    name = line
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    own = folder "/" stem ".h"
    if (!includes++ && FILENAME ~ /[.]c$/ && (("src/" own) in exists) && index(name, "\"" own "\"") != 1)
        complain("a C file includes its own header, \"" own "\", first")
    else if (name ~ /^"/)
        check_project_include(substr(name, 2, index(substr(name, 2), "\"") - 1))
    else if (name ~ /^</)
        check_system_include(substr(name, 2, index(name, ">") - 2))
}

function check_project_include(name,    target)
{
    target = name
    if (!sub(/\/.*/, "", target))
        complain("include \"" name "\" with its folder: \"folder/" name "\"")
    else if (!(target in rank))
        complain("folder " target "/ is not in the list of docs/design.md")
    else if (rank[target] > rank[folder])
        complain(folder "/ may not include " name ": " target "/ is below it in the list of docs/design.md")
}

function check_system_include(name,    i, optional)
{
    if (name ~ libc) return
    for (i = 1; i <= depth; i++)
        if (condition[i] ~ /NUDGE_HAVE_/) optional = 1
    if (!optional) complain("<" name "> needs a library: include it under #ifdef NUDGE_HAVE_...")
    else if (FILENAME !~ library_folders) complain("<" name "> needs a library: only data, format, jobs and cli may")
}

function check_directive(line)
{
    directives++
    check_guard(line)
    if (line ~ /^[ \t]*#[ \t]*if/) condition[++depth] = line
    if (line ~ /^[ \t]*#[ \t]*endif/) depth--
    if (in_src && line ~ /^[ \t]*#[ \t]*include/) check_include(line)
}

# ---- Names ---------------------------------------------------------------------------------------------------------

function check_words(code,    word, n, i)
{
    while (sub(attribute, " ", code)) continue
    gsub(/(->|[.]) *[A-Za-z0-9_]+/, " ", code) # members may be called so
    gsub(/[^A-Za-z0-9_(]+/, " ", code)
    gsub(/ *[(]/, "( ", code)
    n = split(code, word, " ")
    for (i = 1; i <= n; i++)
        if (word[i] in allowed && FILENAME !~ allowed[word[i]]) complain(reason[word[i]])
}

# The function that `head`, the text before a brace in the first column, defines. Names made by macros are no names.
function check_function(    name)
{
    name = head
    while (sub(attribute, " ", name)) continue
    if (!sub(/ *[(].*/, "", name)) return
    sub(/.*[^A-Za-z0-9_]/, "", name)
    if (name !~ /[a-z]/ || name == "main") return
    if (name in function_file && function_file[name] != FILENAME)
        complain("the function name " name " is taken by " function_file[name] "; choose another")
    function_file[name] = FILENAME
}

function follow_functions(code)
{
    if (code ~ /^[{]/) {
        check_function()
        head = ""
    } else if (code ~ /^[A-Za-z_]/) {
        head = code
    } else if (head != "") {
        head = head " " code
    }
    if (code ~ /[;{}][ \t]*$/) head = ""
}

# ---- The walk ------------------------------------------------------------------------------------------------------

FNR == 1 { start_file() }

{
    was_comment = in_comment
    code = code_of($0)
    if (!was_comment && $0 ~ /^[ \t]*#/) check_directive($0)
    else if (in_src && FILENAME !~ /[.]def$/) {
        check_words(code)
        follow_functions(code)
    }
}

END { exit broken }
