/* gzip.c: see gzip.h. Empty in a build without zlib, where nothing calls it. */
#include "data/gzip.h"

#ifdef NUDGE_HAVE_ZLIB
#include <limits.h>
#include <zlib.h>

enum { GZIP_ROOM = 64 * 1024, GZIP_FORMAT = 16 + MAX_WBITS /* zlib: gzip only, largest window */ };

typedef struct Gzip {
    z_stream z;
    bool member; /* inside a member: the end of the file would be too early */
    bool over;
    unsigned char packed[GZIP_ROOM];
} Gzip;

static void *gzip_allocate(void *context, unsigned count, unsigned size)
{
    (void)context;
    return memory_new(count, size);
}

static void gzip_release(void *context, void *block)
{
    (void)context;
    memory_release(block);
}

/* Fetches packed bytes; at the end of the file the unpacking is over, which must not be inside a member. */
static int gzip_refill(Stream *s, Gzip *g, Error *e)
{
    size_t got;
    if (stream_read(s->inner, g->packed, sizeof g->packed, &got, e)) return e->status;
    g->z.next_in = g->packed;
    g->z.avail_in = (unsigned)got;
    g->over = !got;
    if (g->over && g->member)
        return error_set(e, NUDGE_INPUT,
                         "%s: ends inside its gzip data, so it is truncated; copy or download it again",
                         s->name);
    return NUDGE_OK;
}

/* Between members: tools that write whole blocks leave zeros, which are no data. */
static bool gzip_padding(Gzip *g)
{
    while (!g->member && g->z.avail_in && !*g->z.next_in)
        g->z.next_in++, g->z.avail_in--;
    return !g->z.avail_in;
}

static int gzip_inflate(Stream *s, Gzip *g, Error *e)
{
    g->member = true;
    int code = inflate(&g->z, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
        g->member = false;
        code = inflateReset(&g->z);
    }
    if (code == Z_MEM_ERROR) return error_memory(e);
    if (code == Z_OK || code == Z_BUF_ERROR) return NUDGE_OK;
    return error_set(e, NUDGE_INPUT, "%s: its gzip data is damaged (%s); copy or download it again", s->name,
                     g->z.msg ? g->z.msg : "not gzip");
}

static int gzip_read(Stream *s, unsigned char *bytes, size_t room, size_t *got, Error *e)
{
    Gzip *g = s->state;
    g->z.next_out = bytes;
    g->z.avail_out = room < INT_MAX ? (unsigned)room : INT_MAX;
    while (g->z.next_out == bytes && !g->over) {
        if (!g->z.avail_in && gzip_refill(s, g, e)) return e->status;
        if (g->over || gzip_padding(g)) continue;
        if (gzip_inflate(s, g, e)) return e->status;
    }
    *got = (size_t)(g->z.next_out - bytes);
    return NUDGE_OK;
}

static void gzip_close(Stream *s)
{
    Gzip *g = s->state;
    inflateEnd(&g->z);
    memory_release(g);
}

int gzip_start(Stream *s, Error *e)
{
    Gzip *g = memory_zero(1, sizeof *g);
    if (!g) return error_memory(e);
    g->z.zalloc = gzip_allocate;
    g->z.zfree = gzip_release;
    g->member = true; /* an empty file is no gzip file */
    if (inflateInit2(&g->z, GZIP_FORMAT) != Z_OK) {
        memory_release(g);
        return error_memory(e);
    }
    s->state = g;
    s->read = gzip_read;
    s->close = gzip_close;
    return NUDGE_OK;
}
#endif
