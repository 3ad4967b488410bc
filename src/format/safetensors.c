/* safetensors.c: see safetensors.h. */
#include "format/safetensors.h"
#include "base/json.h"
#include "format/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "safetensors are little-endian, and so must this machine be");

/* ---- Types ------------------------------------------------------------------------------------------------ */

/* A floating-point type has exponent bits; what these and the sign leave is the fraction. */
static const struct {
    const char *name;
    size_t bytes;
    int exponent;
    bool minus; /* an integer with a sign */
} safetensors_types[] = {
    [SAFETENSORS_F64] = {"F64", 8, 11, false},  [SAFETENSORS_F32] = {"F32", 4, 8, false},
    [SAFETENSORS_F16] = {"F16", 2, 5, false},   [SAFETENSORS_BF16] = {"BF16", 2, 8, false},
    [SAFETENSORS_I64] = {"I64", 8, 0, true},    [SAFETENSORS_I32] = {"I32", 4, 0, true},
    [SAFETENSORS_I16] = {"I16", 2, 0, true},    [SAFETENSORS_I8] = {"I8", 1, 0, true},
    [SAFETENSORS_U64] = {"U64", 8, 0, false},   [SAFETENSORS_U32] = {"U32", 4, 0, false},
    [SAFETENSORS_U16] = {"U16", 2, 0, false},   [SAFETENSORS_U8] = {"U8", 1, 0, false},
    [SAFETENSORS_BOOL] = {"BOOL", 1, 0, false},
};

enum { SAFETENSORS_TYPES = sizeof safetensors_types / sizeof *safetensors_types };

/* IEEE 754's interchange formats and bfloat16, all of which a double holds exactly. */
static double safetensors_real(uint64_t bits, int width, int exponent_bits)
{
    int fraction_bits = width - 1 - exponent_bits, most = (1 << exponent_bits) - 1, bias = most / 2;
    int exponent = (int)(bits >> fraction_bits) & most;
    uint64_t one = (uint64_t)1 << fraction_bits, fraction = bits & (one - 1);
    double value = exponent == most ? (fraction ? (double)NAN : HUGE_VAL)
                   : exponent       ? ldexp((double)(one + fraction), exponent - bias - fraction_bits)
                                    : ldexp((double)fraction, 1 - bias - fraction_bits);
    return bits >> (width - 1) ? -value : value;
}

const char *safetensors_type_name(SafetensorsType type)
{
    return safetensors_types[type].name;
}

size_t safetensors_elements(const SafetensorsTensor *t)
{
    size_t elements = 1;
    for (int i = 0; i < t->rank; i++)
        elements *= (size_t)t->shape[i];
    return elements;
}

size_t safetensors_bytes(const SafetensorsTensor *t)
{
    return safetensors_elements(t) * safetensors_types[t->type].bytes;
}

double safetensors_value(const SafetensorsTensor *t, size_t i)
{
    size_t bytes = safetensors_types[t->type].bytes;
    int width = 8 * (int)bytes, exponent = safetensors_types[t->type].exponent;
    uint64_t bits = 0;
    memcpy(&bits, (const char *)t->data + i * bytes, bytes);
    if (exponent) return safetensors_real(bits, width, exponent);
    if (!safetensors_types[t->type].minus) return (double)bits;
    return (double)((int64_t)(bits << (64 - width)) >> (64 - width)); /* the sign bit fills from above */
}

void safetensors_doubles(const SafetensorsTensor *t, double *out)
{
    size_t n = safetensors_elements(t);
    if (n && t->type == SAFETENSORS_F64)
        memcpy(out, t->data, n * sizeof *out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = safetensors_value(t, i);
}

void safetensors_floats(const SafetensorsTensor *t, float *out)
{
    size_t n = safetensors_elements(t);
    if (n && t->type == SAFETENSORS_F32)
        memcpy(out, t->data, n * sizeof *out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (float)safetensors_value(t, i);
}

/* ---- Checksum --------------------------------------------------------------------------------------------- */

static const char safetensors_checksum[] = "crc32";
enum { CRC_ROOM = 9 };

/* The CRC-32 of gzip and zip (ISO 3309), of one byte after another: starts at 0, goes on from what it was. */
static uint32_t crc_update(uint32_t crc, const unsigned char *bytes, size_t count)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xEDB88320u : table[i] >> 1;
    }
    crc = ~crc;
    for (size_t i = 0; i < count; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
    return ~crc;
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

enum { SAFETENSORS_LENGTH = 8, SAFETENSORS_HEADER_MOST = 100 * 1000 * 1000 /* as other readers have it */ };

typedef struct SafetensorsReader {
    Safetensors *f;
    Error *error;
    const char *name; /* of the file */
    const char *bytes;
    size_t size, data; /* of the file; where its data begins */
    struct SafetensorsSpan *span;
} SafetensorsReader;

/* Where the header says that a tensor's bytes are, counted from the beginning of the file. */
typedef struct SafetensorsSpan {
    const char *name;
    size_t begin, end;
} SafetensorsSpan;

_Noreturn static void safetensors_damaged(SafetensorsReader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

_Noreturn static void safetensors_damaged(SafetensorsReader *r, const char *format, ...)
{
    char what[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    error_raise(r->error, NUDGE_INPUT, "%s: %s; copy or save the file again", r->name, what);
}

/* An entry of the header is wrong. */
_Noreturn static void safetensors_corrupted(SafetensorsReader *r, const JsonValue *at, const char *what)
{
    safetensors_damaged(r, "corrupted header: at byte %zu of the file, %.200s: %s",
                        at->offset + SAFETENSORS_LENGTH, at->key, what);
}

/* Finds the header. */
static const char *safetensors_header(SafetensorsReader *r)
{
    uint64_t length;
    if (r->size < sizeof length)
        safetensors_damaged(
            r,
            "truncated: it has %zu bytes, and the first 8 of a safetensors file say how long its "
            "header is",
            r->size);
    memcpy(&length, r->bytes, sizeof length);
    if (length > SAFETENSORS_HEADER_MOST)
        safetensors_damaged(
            r, "not a safetensors file, or corrupted: its first 8 bytes give its header a length of %" PRIu64,
            length);
    if (length > r->size - SAFETENSORS_LENGTH)
        safetensors_damaged(
            r, "truncated: its header should end at byte %" PRIu64 ", and the file has %zu bytes",
            length + SAFETENSORS_LENGTH, r->size);
    r->data = SAFETENSORS_LENGTH + (size_t)length;
    return r->bytes + SAFETENSORS_LENGTH;
}

static SafetensorsType safetensors_type(SafetensorsReader *r, const JsonValue *info)
{
    const char *name = json_member_string(info, "dtype");
    if (!name) safetensors_corrupted(r, info, "its dtype is missing or no string");
    for (int type = 0; type < SAFETENSORS_TYPES; type++)
        if (!strcmp(safetensors_types[type].name, name)) return (SafetensorsType)type;
    error_raise(r->error, NUDGE_INPUT,
                "%s: tensor %s has the dtype %s, which is not known here; store it as F32", r->name,
                info->key, name);
}

static bool safetensors_is_size(const JsonValue *v)
{
    return v->kind == JSON_NUMBER && v->whole && v->integer >= 0;
}

/* Fills rank and shape; returns the bytes that they need. */
static size_t safetensors_shape(SafetensorsReader *r, const JsonValue *info, SafetensorsTensor *t)
{
    const JsonValue *shape = json_member(info, "shape");
    if (!shape || shape->kind != JSON_ARRAY)
        safetensors_corrupted(r, info, "its shape is missing or no list");
    if (shape->count > SAFETENSORS_RANK)
        safetensors_corrupted(r, info, "its shape has more than 8 dimensions");
    int64_t bytes = (int64_t)safetensors_types[t->type].bytes;
    for (const JsonValue *size = shape->first; size; size = size->next) {
        if (!safetensors_is_size(size))
            safetensors_corrupted(r, info, "its shape has something other than sizes");
        if (__builtin_mul_overflow(bytes, size->integer, &bytes))
            safetensors_corrupted(r, info, "its shape is too large for any memory");
        t->shape[t->rank++] = size->integer;
    }
    return (size_t)bytes;
}

static SafetensorsSpan safetensors_span(SafetensorsReader *r, const JsonValue *info, size_t need)
{
    const JsonValue *at = json_member(info, "data_offsets");
    if (!at || at->kind != JSON_ARRAY || at->count != 2 || !safetensors_is_size(at->first) ||
        !safetensors_is_size(at->first->next))
        safetensors_corrupted(r, info, "its data_offsets are missing or not two sizes");
    int64_t begin = at->first->integer, end = at->first->next->integer;
    if (begin > end || (uint64_t)(end - begin) != need)
        safetensors_corrupted(r, info,
                              "its shape and dtype need another number of bytes than data_offsets give");
    if ((uint64_t)end > r->size - r->data)
        safetensors_damaged(
            r, "truncated: tensor %.200s should end at byte %" PRIu64 ", and the file has %zu bytes",
            info->key, (uint64_t)end + r->data, r->size);
    return (SafetensorsSpan){info->key, r->data + (size_t)begin, r->data + (size_t)end};
}

static void safetensors_read_tensor(SafetensorsReader *r, const JsonValue *info)
{
    SafetensorsTensor *t = &r->f->tensor[r->f->count];
    if (info->kind != JSON_OBJECT) safetensors_corrupted(r, info, "it is not described by an object");
    if (strlen(info->key) != info->key_length)
        safetensors_corrupted(r, info, "its name goes on after a zero byte");
    t->name = info->key;
    t->type = safetensors_type(r, info);
    size_t need = safetensors_shape(r, info, t);
    SafetensorsSpan span = safetensors_span(r, info, need);
    t->data = r->bytes + span.begin;
    r->span[r->f->count++] = span;
}

static void safetensors_read_notes(SafetensorsReader *r, const JsonValue *notes)
{
    if (notes->kind != JSON_OBJECT) safetensors_corrupted(r, notes, "the metadata is not an object");
    r->f->note = arena_new(&r->f->arena, notes->count, sizeof *r->f->note);
    for (const JsonValue *note = notes->first; note; note = note->next) {
        if (note->kind != JSON_STRING)
            safetensors_corrupted(r, notes, "the metadata has a value that is no string");
        if (!strcmp(note->key, safetensors_checksum)) continue; /* of this file only */
        r->f->note[r->f->notes++] = (SafetensorsNote){note->key, note->string};
    }
}

static int safetensors_compare(const void *a, const void *b)
{
    const SafetensorsSpan *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors must cover the data, each byte once: so no byte of a file can be damaged without belonging to one. */
static void safetensors_check_cover(SafetensorsReader *r)
{
    size_t at = r->data;
    qsort(r->span, r->f->count, sizeof *r->span, safetensors_compare);
    for (const SafetensorsSpan *span = r->span; span < r->span + r->f->count; at = span++->end) {
        if (span->begin > at)
            safetensors_damaged(
                r,
                "corrupted header: bytes %zu to %zu of the file, before tensor %.200s, belong to no tensor",
                at, span->begin, span->name);
        if (span->begin < at)
            safetensors_damaged(
                r,
                "corrupted header: tensor %.200s begins at byte %zu of the file, within tensor %.200s, which ends "
                "at %zu",
                span->name, span->begin, span[-1].name, at);
    }
    if (at < r->size)
        safetensors_damaged(r, "corrupted: its tensors end at byte %zu, and the file has %zu bytes", at,
                            r->size);
}

/* Files of other programs have no checksum. */
static void safetensors_check_sum(SafetensorsReader *r)
{
    const char *want = safetensors_note(r->f, safetensors_checksum);
    char is[CRC_ROOM];
    if (!want) return;
    snprintf(is, sizeof is, "%08" PRIx32,
             crc_update(0, (const unsigned char *)r->bytes + r->data, r->size - r->data));
    if (strcmp(is, want))
        safetensors_damaged(
            r, "corrupted: numbers in it have changed since it was written (their CRC-32 is %s, not %.20s)",
            is, want);
}

static void safetensors_build(void *context)
{
    SafetensorsReader *r = context;
    Safetensors *f = r->f;
    const char *text = safetensors_header(r);
    const char *where = arena_print(&f->arena, "%s: corrupted header (it begins at byte 8)", r->name);
    if (json_parse(&f->arena, where, text, r->data - SAFETENSORS_LENGTH, &f->header)) error_escape(r->error);
    if (f->header->kind != JSON_OBJECT) safetensors_damaged(r, "corrupted header: it is not an object");
    f->tensor = arena_new(&f->arena, f->header->count, sizeof *f->tensor);
    r->span = arena_new(&f->arena, f->header->count, sizeof *r->span);
    for (const JsonValue *info = f->header->first; info; info = info->next) {
        if (!strcmp(info->key, "__metadata__"))
            safetensors_read_notes(r, info);
        else
            safetensors_read_tensor(r, info);
    }
    safetensors_check_cover(r);
    safetensors_check_sum(r);
}

int safetensors_read(Safetensors *f, const char *name, const void *bytes, size_t size, Error *e)
{
    *f = (Safetensors){0};
    arena_init(&f->arena, e);
    SafetensorsReader r = {.f = f, .error = e, .name = name, .bytes = bytes, .size = size};
    int status = error_catch(e, safetensors_build, &r);
    if (status) safetensors_close(f);
    return status;
}

int safetensors_open(Safetensors *f, const char *path, Error *e)
{
    char *bytes;
    size_t size;
    *f = (Safetensors){0};
    int status = file_read(path, &bytes, &size, e);
    if (status) return status;
    status = safetensors_read(f, path, bytes, size, e);
    if (status)
        memory_release(bytes);
    else
        f->bytes = bytes;
    return status;
}

void safetensors_close(Safetensors *f)
{
    arena_free(&f->arena);
    memory_release(f->bytes);
    *f = (Safetensors){0};
}

const SafetensorsTensor *safetensors_find(const Safetensors *f, const char *name)
{
    const JsonValue *info = json_member(f->header, name), *notes = json_member(f->header, "__metadata__");
    if (!info || info == notes) return NULL;
    return &f->tensor[info->index - (notes && notes->index < info->index)];
}

const char *safetensors_note(const Safetensors *f, const char *key)
{
    return json_member_string(json_member(f->header, "__metadata__"), key);
}

/* ---- Writing ---------------------------------------------------------------------------------------------- */

static void safetensors_describe(JsonWriter *w, const SafetensorsTensor *t, size_t begin)
{
    json_key(w, t->name), json_open(w, '{');
    json_key(w, "dtype"), json_string(w, safetensors_type_name(t->type));
    json_key(w, "shape"), json_open(w, '[');
    for (int i = 0; i < t->rank; i++)
        json_integer(w, t->shape[i]);
    json_close(w, ']');
    json_key(w, "data_offsets"), json_open(w, '[');
    json_integer(w, (int64_t)begin), json_integer(w, (int64_t)(begin + safetensors_bytes(t)));
    json_close(w, ']');
    json_close(w, '}');
}

static void safetensors_describe_notes(JsonWriter *w, const SafetensorsNote *note, size_t notes,
                                       const SafetensorsTensor *tensor, size_t count)
{
    uint32_t crc = 0;
    char text[CRC_ROOM];
    for (size_t i = 0; i < count; i++)
        crc = crc_update(crc, tensor[i].data, safetensors_bytes(&tensor[i]));
    snprintf(text, sizeof text, "%08" PRIx32, crc);
    json_key(w, "__metadata__"), json_open(w, '{');
    for (size_t i = 0; i < notes; i++)
        json_key(w, note[i].key), json_string(w, note[i].value);
    json_key(w, safetensors_checksum), json_string(w, text);
    json_close(w, '}');
}

/* Appends the length and the header, which blanks bring to a multiple of 8 bytes. */
static void safetensors_write_header(Text *out, const SafetensorsTensor *tensor, size_t count,
                                     const SafetensorsNote *note, size_t notes)
{
    uint64_t length = 0;
    size_t start = out->length + sizeof length, at = 0;
    text_append(out, (const char *)&length, sizeof length);
    JsonWriter w = {.out = out};
    json_open(&w, '{');
    safetensors_describe_notes(&w, note, notes, tensor, count);
    for (size_t i = 0; i < count; at += safetensors_bytes(&tensor[i++]))
        safetensors_describe(&w, &tensor[i], at);
    json_close(&w, '}');
    while (!out->failed && (out->length - start) % 8)
        text_put(out, ' ');
    if (out->failed) return;
    length = out->length - start;
    memcpy(out->s + start - sizeof length, &length, sizeof length);
}

int safetensors_write(Text *out, const SafetensorsTensor *tensor, size_t count, const SafetensorsNote *note,
                      size_t notes, Error *e)
{
    safetensors_write_header(out, tensor, count, note, notes);
    for (size_t i = 0; i < count; i++)
        text_append(out, tensor[i].data, safetensors_bytes(&tensor[i]));
    return out->failed ? error_memory(e) : NUDGE_OK;
}

int safetensors_save(const char *path, const SafetensorsTensor *tensor, size_t count,
                     const SafetensorsNote *note, size_t notes, Error *e)
{
    Text header = {0};
    FileWriter w;
    safetensors_write_header(&header, tensor, count, note, notes);
    int status = header.failed ? error_memory(e) : file_open(&w, path, e);
    if (!status) {
        file_append(&w, header.s, header.length);
        for (size_t i = 0; i < count; i++)
            file_append(&w, tensor[i].data, safetensors_bytes(&tensor[i]));
        status = file_commit(&w, e);
    }
    text_free(&header);
    return status;
}
