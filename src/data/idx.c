/* idx.c: see idx.h. */
#include "data/idx.h"

#include "base/text.h"
#include "data/stream.h"
#include <string.h>

enum { IDX_CHUNK = 1 << 20 };

static double idx_i8(const unsigned char *b)
{
    return (int8_t)b[0];
}

static double idx_i16(const unsigned char *b)
{
    return (int16_t)(b[0] << 8 | b[1]);
}

static uint32_t idx_word(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static double idx_i32(const unsigned char *b)
{
    return (int32_t)idx_word(b);
}

static double idx_f32(const unsigned char *b)
{
    uint32_t bits = idx_word(b);
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double idx_f64(const unsigned char *b)
{
    uint64_t bits = (uint64_t)idx_word(b) << 32 | idx_word(b + 4);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef struct IdxType {
    unsigned char code;
    size_t size;
    DataType type;
    double (*load)(const unsigned char *bytes); /* NULL: taken as it is */
} IdxType;

static const IdxType idx_types[] = {
    {0x08, 1, DATA_U8, NULL},     {0x09, 1, DATA_I32, idx_i8},  {0x0b, 2, DATA_I32, idx_i16},
    {0x0c, 4, DATA_I32, idx_i32}, {0x0d, 4, DATA_F32, idx_f32}, {0x0e, 8, DATA_F64, idx_f64},
};

static const IdxType *idx_type(unsigned char code)
{
    for (size_t i = 0; i < sizeof idx_types / sizeof *idx_types; i++)
        if (idx_types[i].code == code) return idx_types + i;
    return NULL;
}

static int idx_magic(const Stream *s, const unsigned char *b, size_t got, const IdxType **type, Error *e)
{
    if (!got) return error_set(e, NUDGE_INPUT, "%s: is empty; it should be an IDX file", s->name);
    *type = got == 4 && !b[0] && !b[1] && b[3] && b[3] <= DATA_RANK ? idx_type(b[2]) : NULL;
    if (*type) return NUDGE_OK;
    Text found = {0};
    for (size_t i = 0; i < got; i++)
        text_print(&found, " %02x", b[i]);
    error_set(e, NUDGE_INPUT,
              "%s: is no IDX file: it begins with%s, where images have 00 00 08 03 and labels 00 00 08 01",
              s->name, text_end(&found));
    text_free(&found);
    return e->status;
}

static int idx_truncated(const Stream *s, const Idx *x, size_t got, Error *e)
{
    Text sizes = {0};
    for (int i = 0; i < x->rank; i++)
        text_print(&sizes, "%s%zu", i ? " x " : "", x->shape[i]);
    error_set(
        e, NUDGE_INPUT,
        "%s: its header says %s values, but only %zu bytes of them are there; copy or download it again",
        s->name, text_end(&sizes), got);
    text_free(&sizes);
    return e->status;
}

static int idx_shape(Stream *s, Idx *x, size_t element, Error *e)
{
    unsigned char sizes[4 * DATA_RANK];
    size_t got, need = 4 * (size_t)x->rank, bytes = element;
    if (stream_read_all(s, sizes, need, &got, e)) return e->status;
    if (got < need)
        return error_set(e, NUDGE_INPUT, "%s: ends inside its header, so it is truncated", s->name);
    x->count = 1;
    for (int i = 0; i < x->rank; i++) {
        x->shape[i] = idx_word(sizes + 4 * i);
        if (!x->shape[i]) return error_set(e, NUDGE_INPUT, "%s: size %d in its header is 0", s->name, i + 1);
        if (__builtin_mul_overflow(bytes, x->shape[i], &bytes))
            return error_set(e, NUDGE_INPUT, "%s: the sizes in its header are impossibly large", s->name);
        x->count *= x->shape[i];
    }
    return NUDGE_OK;
}

/* Reads the values as the file has them. The block grows with what is there, so that a header which lies about the
 * sizes is found out before memory is. */
static int idx_bytes(Stream *s, Idx *x, size_t size, Error *e)
{
    size_t need = x->count * size, room = 0, have = 0, got = 1;
    while (have < need && got) {
        if (have == room) {
            room = room < IDX_CHUNK ? IDX_CHUNK : room * 2;
            if (room > need) room = need;
            void *bigger = memory_resize(x->values, room, 1);
            if (!bigger) return error_memory(e);
            x->values = bigger;
        }
        if (stream_read_all(s, (char *)x->values + have, room - have, &got, e)) return e->status;
        have += got;
    }
    if (have < need) return idx_truncated(s, x, have, e);
    char extra;
    if (stream_read(s, &extra, 1, &got, e)) return e->status;
    return got ? error_set(e, NUDGE_INPUT, "%s: has bytes after the values that its header announces",
                           s->name)
               : NUDGE_OK;
}

static int idx_convert(Idx *x, const IdxType *type, Error *e)
{
    if (!type->load) return NUDGE_OK;
    void *native = memory_new(x->count, data_size(x->type));
    if (!native) return error_memory(e);
    for (size_t i = 0; i < x->count; i++) {
        double value = type->load((unsigned char *)x->values + i * type->size);
        data_convert((char *)native + i * data_size(x->type), x->type, &value, DATA_F64, 1);
    }
    memory_release(x->values);
    x->values = native;
    return NUDGE_OK;
}

static int idx_load(Idx *x, Stream *s, Error *e)
{
    unsigned char magic[4];
    const IdxType *type;
    size_t got;
    if (stream_read_all(s, magic, sizeof magic, &got, e) || idx_magic(s, magic, got, &type, e))
        return e->status;
    x->type = type->type;
    x->rank = magic[3];
    if (idx_shape(s, x, type->size, e) || idx_bytes(s, x, type->size, e)) return e->status;
    return idx_convert(x, type, e);
}

int idx_read(Idx *x, const char *path, Error *e)
{
    Stream *s;
    *x = (Idx){0};
    if (stream_open(&s, path, e)) return e->status;
    if (idx_load(x, s, e)) idx_free(x);
    stream_close(s);
    return e->status;
}

void idx_free(Idx *x)
{
    memory_release(x->values);
    *x = (Idx){0};
}

static void idx_take_samples(Dataset *d, Idx *x)
{
    d->rows = x->shape[0];
    d->features = x->count / d->rows;
    d->x_type = x->type;
    d->x = d->owned[0] = x->values;
    if (x->rank <= 3)
        d->x_shape[d->x_rank++] = x->rank == 3 ? 1 : d->features; /* grey images have one channel */
    for (int i = 1; x->rank > 2 && i < x->rank; i++)
        d->x_shape[d->x_rank++] = x->shape[i];
    x->values = NULL;
}

/* Class numbers as i32; *classes is one more than the largest. */
static int idx_take_classes(Dataset *d, Idx *t, const char *file, Error *e)
{
    int32_t *classes = memory_new(t->count, sizeof *classes);
    if (!classes) return error_memory(e);
    d->t = d->owned[1] = classes;
    d->t_type = DATA_I32;
    data_convert(classes, DATA_I32, t->values, t->type, t->count);
    for (size_t i = 0; i < t->count; i++) {
        if (classes[i] < 0)
            return error_set(e, NUDGE_INPUT, "%s: label %zu is %d; labels count from 0", file, i + 1,
                             classes[i]);
        if ((size_t)classes[i] >= d->classes) d->classes = (size_t)classes[i] + 1;
    }
    return NUDGE_OK;
}

static int idx_take_targets(Dataset *d, Idx *t, const char *images, const char *labels, Error *e)
{
    if (t->shape[0] != d->rows)
        return error_set(e, NUDGE_INPUT,
                         "%s has %zu samples, but %s has %zu labels; these two do not belong together",
                         images, d->rows, labels, t->shape[0]);
    d->targets = t->count / d->rows;
    if (t->type == DATA_U8 || t->type == DATA_I32) {
        if (t->rank == 1) return idx_take_classes(d, t, labels, e);
        return error_set(e, NUDGE_INPUT,
                         "%s: has %d dimensions, where labels have 1; are images and labels swapped?", labels,
                         t->rank);
    }
    d->t_type = t->type;
    d->t = d->owned[1] = t->values;
    t->values = NULL;
    return NUDGE_OK;
}

static int idx_join(Dataset *d, const char *images, const char *labels, Error *e)
{
    Idx x = {0}, t = {0};
    if (!idx_read(&x, images, e) && (!labels || !idx_read(&t, labels, e))) {
        idx_take_samples(d, &x);
        if (labels) idx_take_targets(d, &t, images, labels, e);
    }
    idx_free(&x);
    idx_free(&t);
    return e->status;
}

int idx_dataset(Dataset *d, const char *images, const char *labels, Error *e)
{
    *d = (Dataset){0};
    if (idx_join(d, images, labels, e)) dataset_free(d);
    return e->status;
}
