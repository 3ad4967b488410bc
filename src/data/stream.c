/* stream.c: see stream.h. */
#include "data/stream.h"

#include "base/text.h"
#include "data/gzip.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { GZIP_MAGIC_0 = 0x1f, GZIP_MAGIC_1 = 0x8b, STREAM_SIBLINGS = 1000 };

/* What the user can mend is input; everything else is the machine. */
static const struct {
    int code, status;
    const char *text;
} stream_reasons[] = {
    {EISDIR, NUDGE_INPUT, "is a directory; name a file in it"},
    {ENOTDIR, NUDGE_INPUT, "no such file, because part of its path is no directory; check the path"},
    {ENAMETOOLONG, NUDGE_INPUT, "no such file, because the name is too long; check the path"},
    {EACCES, NUDGE_MACHINE, "permission denied; make the file readable (chmod +r)"},
};

/* "iris.cvs" -> "iris.csv", if the folder holds a name that near. */
static void stream_suggest(const char *path, Text *out)
{
    const char *slash = strrchr(path, '/'), *word = slash ? slash + 1 : path;
    Text folder = {0}, best = {0};
    text_append(&folder, slash ? path : "./", slash ? (size_t)(slash - path) + 1 : 2);
    DIR *d = opendir(text_end(&folder));
    struct dirent *entry;
    for (int i = 0; d && i < STREAM_SIBLINGS && (entry = readdir(d)); i++) {
        const char *names[] = {entry->d_name, text_end(&best)};
        if (names[0][0] == '.' || name_nearest(word, names, best.length ? 2 : 1) != names[0]) continue;
        best.length = 0;
        text_print(&best, "%s", names[0]);
    }
    if (d) closedir(d);
    if (best.length) text_print(out, "; did you mean %.*s%s?", (int)(word - path), path, text_end(&best));
    text_free(&folder);
    text_free(&best);
}

static int stream_missing(const char *path, Error *e)
{
    Text hint = {0};
    stream_suggest(path, &hint);
    if (!hint.length) text_print(&hint, "; check the name and the folder");
    error_set(e, NUDGE_INPUT, "%s: no such file%s", *path ? path : "\"\"", text_end(&hint));
    text_free(&hint);
    return e->status;
}

static int stream_failed(const char *name, int code, Error *e)
{
    if (code == ENOENT) return stream_missing(name, e);
    for (size_t i = 0; i < sizeof stream_reasons / sizeof *stream_reasons; i++)
        if (stream_reasons[i].code == code)
            return error_set(e, stream_reasons[i].status, "%s: %s", name, stream_reasons[i].text);
    return error_set(e, NUDGE_MACHINE, "%s: cannot be read: %s", name, strerror(code));
}

static int stream_file_read(Stream *s, unsigned char *bytes, size_t room, size_t *got, Error *e)
{
    ssize_t n;
    do
        n = read(s->file, bytes, room);
    while (n < 0 && errno == EINTR);
    if (n < 0) return stream_failed(s->name, errno, e);
    *got = (size_t)n;
    return NUDGE_OK;
}

static void stream_file_close(Stream *s)
{
    if (s->file != STDIN_FILENO) close(s->file);
}

static int stream_memory_read(Stream *s, unsigned char *bytes, size_t room, size_t *got, Error *e)
{
    (void)e;
    *got = room < s->memory_left ? room : s->memory_left;
    if (*got) memcpy(bytes, s->memory, *got);
    s->memory += *got;
    s->memory_left -= *got;
    return NUDGE_OK;
}

static void stream_memory_close(Stream *s)
{
    (void)s;
}

static Stream *stream_new(const char *name)
{
    Stream *s = memory_zero(1, sizeof *s);
    if (s && !(s->name = memory_string(name))) {
        memory_release(s);
        return NULL;
    }
    return s;
}

/* Looks at the first bytes. The second is waited for only if the first can begin gzip. */
static int stream_look(Stream *s, Error *e)
{
    size_t got = 1;
    while (got && s->head_count < 2 && (!s->head_count || s->head[0] == GZIP_MAGIC_0)) {
        if (s->read(s, s->head + s->head_count, 1, &got, e)) return e->status;
        s->head_count += got;
    }
    return NUDGE_OK;
}

static int stream_unpack(Stream **s, Error *e)
{
    Stream *packed = *s;
    if (packed->head_count < 2 || packed->head[0] != GZIP_MAGIC_0 || packed->head[1] != GZIP_MAGIC_1)
        return NUDGE_OK;
#ifdef NUDGE_HAVE_ZLIB
    Stream *outer = stream_new(packed->name);
    if (!outer) return error_memory(e);
    outer->inner = packed;
    *s = outer;
    return gzip_start(outer, e);
#else
    return error_set(e, NUDGE_INPUT,
                     "%s: is packed with gzip, which this build cannot read; unpack it first (gunzip)",
                     packed->name);
#endif
}

static int stream_start(Stream **s, Error *e)
{
    if (!stream_look(*s, e) && !stream_unpack(s, e)) return NUDGE_OK;
    stream_close(*s);
    *s = NULL;
    return e->status;
}

int stream_open(Stream **s, const char *path, Error *e)
{
    *s = NULL;
    bool standard = !strcmp(path, "-");
    int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return stream_failed(path, errno, e);
    if (!(*s = stream_new(standard ? "stdin" : path))) {
        if (!standard) close(file);
        return error_memory(e);
    }
    (*s)->file = file;
    (*s)->read = stream_file_read;
    (*s)->close = stream_file_close;
    return stream_start(s, e);
}

int stream_memory(Stream **s, const char *name, const void *bytes, size_t size, Error *e)
{
    if (!(*s = stream_new(name))) return error_memory(e);
    (*s)->memory = bytes;
    (*s)->memory_left = size;
    (*s)->read = stream_memory_read;
    (*s)->close = stream_memory_close;
    return stream_start(s, e);
}

int stream_read(Stream *s, void *bytes, size_t room, size_t *got, Error *e)
{
    if (!s->head_count) return s->read(s, bytes, room, got, e);
    *got = room < s->head_count ? room : s->head_count;
    memcpy(bytes, s->head, *got);
    memmove(s->head, s->head + *got, s->head_count -= *got);
    return NUDGE_OK;
}

int stream_read_all(Stream *s, void *bytes, size_t room, size_t *got, Error *e)
{
    size_t more = 1;
    for (*got = 0; more && *got < room; *got += more)
        if (stream_read(s, (char *)bytes + *got, room - *got, &more, e)) return e->status;
    return NUDGE_OK;
}

void stream_close(Stream *s)
{
    if (!s) return;
    if (s->close) s->close(s);
    stream_close(s->inner);
    memory_release(s->name);
    memory_release(s);
}
