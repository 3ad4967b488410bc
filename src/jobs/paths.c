/* paths.c: see paths.h. */
#include "jobs/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void path_within(Text *out, const char *directory, const char *name)
{
    size_t length = strlen(directory);
    text_append(out, directory, length);
    if (length && directory[length - 1] != '/') text_put(out, '/');
    text_print(out, "%s", name);
}

void path_parent(Text *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash) text_append(out, path, slash == path ? 1 : (size_t)(slash - path));
}

void path_stem(Text *out, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    size_t start = length;
    while (start && path[start - 1] != '/')
        start--;
    path += start, length -= start;
    if (length == 1 && *path == '-') path = "stdin", length = strlen(path);
    const char *dot = length > 1 ? memchr(path + 1, '.', length - 1) : NULL;
    text_append(out, path, dot ? (size_t)(dot - path) : length);
}

static bool path_is_fixed(const char *path)
{
    return path[0] == '/' || !strcmp(path, "-");
}

/* "runs/iris/../../iris.csv" as "iris.csv", if it lies below the current directory; links are followed first. */
static void path_shorten(Text *path)
{
    char here[PATH_MAX], real[PATH_MAX];
    if (!strstr(text_end(path), "..") || !realpath(".", here) || !realpath(path->s, real)) return;
    size_t length = strlen(here);
    if (strncmp(here, real, length) || real[length] != '/') return;
    path->length = 0;
    text_print(path, "%s", real + length + 1);
}

int path_from(Text *out, const char *directory, const char *path, Error *e)
{
    path_within(out, path_is_fixed(path) ? "" : directory, path);
    if (!path_is_fixed(path)) path_shorten(out);
    return out->failed ? error_memory(e) : NUDGE_OK;
}

/* The length of what two absolute paths have in common, in whole names. */
static size_t path_common(const char *a, const char *b)
{
    size_t common = 0, at = 0;
    for (; a[at] && a[at] == b[at]; at++)
        if (a[at] == '/') common = at + 1;
    if ((!a[at] || a[at] == '/') && (!b[at] || b[at] == '/')) common = at + (a[at] || b[at]);
    return common;
}

int path_to(Text *out, const char *directory, const char *path, Error *e)
{
    if (path_is_fixed(path)) return path_from(out, "", path, e);
    char from[PATH_MAX], to[PATH_MAX];
    if (!realpath(*directory ? directory : ".", from) || !realpath(path, to))
        return error_set(e, NUDGE_MACHINE, "%s: cannot be found any more: %s", path, strerror(errno));
    size_t common = path_common(from, to);
    for (const char *at = from + common - 1; common <= strlen(from) && at; at = strchr(at + 1, '/'))
        text_print(out, "../");
    text_print(out, "%s", to + common);
    return out->failed ? error_memory(e) : NUDGE_OK;
}

bool path_is_directory(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

bool path_is_model(const char *path)
{
    const char *dot = strrchr(path, '.');
    return path_is_directory(path) || (dot && !strcmp(dot, ".safetensors"));
}

bool path_exists(const char *path)
{
    struct stat s;
    return !lstat(path, &s);
}

void path_quote(Text *out, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:@%";
    bool quotes = !*path || path[strspn(path, plain)];
    if (quotes) text_put(out, '\'');
    for (; *path; path++)
        *path == '\'' ? text_print(out, "'\\''") : text_put(out, *path);
    if (quotes) text_put(out, '\'');
}
