/* json.c: see json.h. */
#include "base/json.h"
#include "base/philox.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Writing ---------------------------------------------------------------------------------------------- */

static void json_separate(JsonWriter *w)
{
    if (w->comma) text_put(w->out, ',');
    w->comma = true;
}

void json_open(JsonWriter *w, char bracket)
{
    json_separate(w);
    text_put(w->out, bracket);
    w->comma = false;
}

void json_close(JsonWriter *w, char bracket)
{
    text_put(w->out, bracket);
    w->comma = true;
}

void json_key(JsonWriter *w, const char *key)
{
    json_string(w, key);
    text_put(w->out, ':');
    w->comma = false;
}

void json_string(JsonWriter *w, const char *s)
{
    json_separate(w);
    json_quote(w->out, s, strlen(s));
}

void json_number(JsonWriter *w, double value)
{
    if (!isfinite(value)) {
        json_null(w);
        return;
    }
    json_separate(w);
    text_number(w->out, value);
}

void json_integer(JsonWriter *w, int64_t value)
{
    json_separate(w);
    text_print(w->out, "%" PRId64, value);
}

void json_flag(JsonWriter *w, bool value)
{
    json_raw(w, value ? "true" : "false");
}

void json_null(JsonWriter *w)
{
    json_raw(w, "null");
}

void json_raw(JsonWriter *w, const char *json)
{
    json_separate(w);
    text_append(w->out, json, strlen(json));
}

static uint32_t json_code_point(const char *s, size_t bytes)
{
    uint32_t code = (unsigned char)*s & (bytes == 1 ? 0x7Fu : 0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3Fu);
    return code;
}

/* The letter of a two-character escape, or 0. */
static char json_short_escape(uint32_t code)
{
    static const char letter[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'};
    return code < sizeof letter ? letter[code] : 0;
}

/* Control characters, and what YAML would not take or take for a line's end. */
static bool json_escaped(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

void json_quote(Text *out, const char *s, size_t length)
{
    const char *end = s + length;
    text_put(out, '"');
    while (s < end) {
        size_t bytes = utf8_length(s, end);
        uint32_t code = bytes ? json_code_point(s, bytes) : 0xFFFD;
        if (!bytes)
            text_print(out, "\xEF\xBF\xBD");
        else if (json_short_escape(code))
            text_print(out, "\\%c", json_short_escape(code));
        else if (json_escaped(code))
            text_print(out, "\\u%04" PRIx32, code);
        else
            text_append(out, s, bytes);
        s += bytes ? bytes : 1;
    }
    text_put(out, '"');
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

typedef struct JsonReader {
    Arena *arena;
    const char *name; /* of the text, for messages */
    const char *start, *at, *end;
    int depth;
    const JsonValue *root;
} JsonReader;

_Noreturn static void json_fail(JsonReader *r, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

_Noreturn static void json_fail(JsonReader *r, const char *at, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    error_raise(r->arena->error, NUDGE_INPUT, "%s: byte %zu: %s", r->name, (size_t)(at - r->start), what);
}

/* As json_fail: what was expected, and what is there instead. */
_Noreturn static void json_fail_expected(JsonReader *r, const char *what)
{
    unsigned char c = r->at < r->end ? (unsigned char)*r->at : 0;
    if (r->at == r->end) json_fail(r, r->at, "the text ends where %s is expected", what);
    if (c < 0x20 || c >= 0x7F) json_fail(r, r->at, "byte 0x%02x where %s is expected", c, what);
    json_fail(r, r->at, "'%c' where %s is expected", c, what);
}

static void json_blanks(JsonReader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool json_accept(JsonReader *r, char c)
{
    bool here = r->at < r->end && *r->at == c;
    r->at += here;
    return here;
}

static unsigned json_hex(JsonReader *r)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : 0;
        if (c >= '0' && c <= '9')
            code = code << 4 | (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            code = code << 4 | (unsigned)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            code = code << 4 | (unsigned)(c - 'A' + 10);
        else
            json_fail_expected(r, "one of four hexadecimal digits");
    }
    return code;
}

static size_t json_encode(char *out, uint32_t code)
{
    static const struct {
        uint32_t below;
        unsigned char lead;
    } form[] = {{0x80, 0}, {0x800, 0xC0}, {0x10000, 0xE0}, {0x110000, 0xF0}};
    size_t bytes = 1;
    while (code >= form[bytes - 1].below)
        bytes++;
    for (size_t i = bytes; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(form[bytes - 1].lead | code);
    return bytes;
}

/* After \u: one code point, which UTF-16 writes as one unit or as a pair of surrogates. */
static size_t json_unicode(JsonReader *r, const char *escape, char *out)
{
    uint32_t code = json_hex(r);
    if (code >= 0xD800 && code < 0xDC00) {
        uint32_t low = json_accept(r, '\\') && json_accept(r, 'u') ? json_hex(r) : 0;
        if (low < 0xDC00 || low >= 0xE000)
            json_fail(r, escape, "this high surrogate has no low one after it");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
        json_fail(r, escape, "this low surrogate has no high one before it");
    }
    return json_encode(out, code);
}

static size_t json_escape(JsonReader *r, char *out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *escape = r->at++;
    if (json_accept(r, 'u')) return json_unicode(r, escape, out);
    const char *name = r->at < r->end && *r->at ? strchr(names, *r->at) : NULL;
    if (!name) json_fail_expected(r, "one of \" \\ / b f n r t u after a backslash");
    r->at++;
    *out = values[name - names];
    return 1;
}

/* The length between the quotes: decoded, a string is never longer. */
static size_t json_span(const JsonReader *r)
{
    const char *s = r->at;
    while (s < r->end && *s != '"')
        s += *s == '\\' && s + 1 < r->end ? 2 : 1;
    return (size_t)(s - r->at);
}

static const char *json_read_string(JsonReader *r, size_t *length)
{
    const char *quote = r->at;
    if (!json_accept(r, '"')) json_fail_expected(r, "a string");
    char *string = arena_new(r->arena, json_span(r) + 1, 1), *out = string;
    while (!json_accept(r, '"')) {
        if (r->at == r->end) json_fail(r, quote, "this string has no closing quote");
        if ((unsigned char)*r->at < 0x20) json_fail_expected(r, "a character or an escape");
        size_t bytes = utf8_length(r->at, r->end);
        if (!bytes) json_fail(r, r->at, "these bytes are not UTF-8");
        if (*r->at == '\\') {
            out += json_escape(r, out);
            continue;
        }
        memcpy(out, r->at, bytes);
        out += bytes, r->at += bytes;
    }
    *length = (size_t)(out - string);
    return string;
}

static size_t json_digits(JsonReader *r)
{
    const char *first = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    if (r->at == first) json_fail_expected(r, "a digit");
    return (size_t)(r->at - first);
}

/* [start, end) is an optional minus and digits: true if an int64 holds them. */
static bool json_int64(const char *start, const char *end, int64_t *value)
{
    bool minus = *start == '-';
    *value = 0;
    for (const char *s = start + minus; s < end; s++) {
        int digit = *s - '0';
        if (__builtin_mul_overflow(*value, 10, value)) return false;
        if (__builtin_add_overflow(*value, minus ? -digit : digit, value)) return false;
    }
    return true;
}

static void json_read_number(JsonReader *r, JsonValue *v)
{
    const double exact = 9007199254740992.0; /* 2^53: below it every whole number is a double */
    const char *start = r->at;
    json_accept(r, '-');
    const char *lead = r->at;
    if (json_digits(r) > 1 && *lead == '0') json_fail(r, start, "a number must not start with 0");
    bool literal = true;
    if (json_accept(r, '.')) json_digits(r), literal = false;
    if (json_accept(r, 'e') || json_accept(r, 'E')) {
        if (!json_accept(r, '-')) json_accept(r, '+');
        json_digits(r), literal = false;
    }
    v->kind = JSON_NUMBER;
    number_read(start, r->at, &v->number);
    if (!isfinite(v->number)) json_fail(r, start, "this number is too large for a double");
    v->whole = literal && json_int64(start, r->at, &v->integer);
    if (v->whole || fabs(v->number) > exact || floor(v->number) != v->number) return;
    v->whole = true;
    v->integer = (int64_t)v->number;
}

static void json_read_value(JsonReader *r, JsonValue *v);

static void json_enter(JsonReader *r)
{
    if (++r->depth > JSON_DEPTH) json_fail(r, r->at - 1, "nested deeper than %d levels", JSON_DEPTH);
    json_blanks(r);
}

static JsonValue *json_add(JsonReader *r, JsonValue *parent, JsonValue *last)
{
    JsonValue *item = arena_new(r->arena, 1, sizeof *item);
    item->index = parent->count++;
    if (last)
        last->next = item;
    else
        parent->first = item;
    return item;
}

static void json_read_array(JsonReader *r, JsonValue *v)
{
    v->kind = JSON_ARRAY;
    json_enter(r);
    if (!json_accept(r, ']')) {
        JsonValue *last = NULL;
        do {
            last = json_add(r, v, last);
            json_read_value(r, last);
        } while (json_accept(r, ','));
        if (!json_accept(r, ']')) json_fail_expected(r, "',' or ']'");
    }
    r->depth--;
}

/* Where the key is in the table of an object, or where it would be put. */
static const JsonValue **json_place(const JsonValue *object, const char *key, size_t length)
{
    size_t mask = object->lookup_room - 1, at = (size_t)hash_string(key) & mask;
    for (const JsonValue *v; (v = object->lookup[at]); at = (at + 1) & mask)
        if (v->key_length == length && !memcmp(v->key, key, length)) break;
    return &object->lookup[at];
}

static void json_lookup_grow(JsonReader *r, JsonValue *object)
{
    object->lookup_room = object->lookup_room ? object->lookup_room * 4 : 8;
    object->lookup = arena_new(r->arena, object->lookup_room, sizeof *object->lookup);
    for (const JsonValue *v = object->first; v; v = v->next)
        if (v->key) *json_place(object, v->key, v->key_length) = v;
}

static void json_read_member(JsonReader *r, JsonValue *object, JsonValue *member)
{
    json_blanks(r);
    const char *at = r->at;
    size_t length;
    const char *key = json_read_string(r, &length);
    if (object->count * 2 > object->lookup_room) json_lookup_grow(r, object);
    const JsonValue **place = json_place(object, key, length);
    if (*place) json_fail(r, at, "the key \"%.100s\" is there twice", key);
    *place = member;
    member->key = key;
    member->key_length = length;
    json_blanks(r);
    if (!json_accept(r, ':')) json_fail_expected(r, "':' after a key");
    json_read_value(r, member);
}

static void json_read_object(JsonReader *r, JsonValue *v)
{
    v->kind = JSON_OBJECT;
    json_enter(r);
    if (!json_accept(r, '}')) {
        JsonValue *last = NULL;
        do {
            last = json_add(r, v, last);
            json_read_member(r, v, last);
        } while (json_accept(r, ','));
        if (!json_accept(r, '}')) json_fail_expected(r, "',' or '}'");
    }
    r->depth--;
}

static void json_read_word(JsonReader *r, JsonValue *v)
{
    static const struct {
        const char *word;
        JsonKind kind;
        bool flag;
    } words[] = {{"null", JSON_NULL, false}, {"true", JSON_FLAG, true}, {"false", JSON_FLAG, false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(r->end - r->at) < length || memcmp(r->at, words[i].word, length)) continue;
        v->kind = words[i].kind;
        v->flag = words[i].flag;
        r->at += length;
        return;
    }
    json_fail_expected(r, "a value");
}

/* One value with the blanks around it. */
static void json_read_value(JsonReader *r, JsonValue *v)
{
    json_blanks(r);
    v->offset = (size_t)(r->at - r->start);
    char c = r->at < r->end ? *r->at : 0;
    if (json_accept(r, '{'))
        json_read_object(r, v);
    else if (json_accept(r, '['))
        json_read_array(r, v);
    else if (c == '"')
        v->kind = JSON_STRING, v->string = json_read_string(r, &v->length);
    else if (c == '-' || (c >= '0' && c <= '9'))
        json_read_number(r, v);
    else
        json_read_word(r, v);
    json_blanks(r);
}

static void json_read_root(void *context)
{
    JsonReader *r = context;
    JsonValue *root = arena_new(r->arena, 1, sizeof *root);
    json_read_value(r, root);
    if (r->at < r->end) json_fail_expected(r, "the end of the text");
    r->root = root;
}

int json_parse(Arena *arena, const char *name, const char *text, size_t length, const JsonValue **value)
{
    JsonReader r = {.arena = arena, .name = name, .start = text, .at = text, .end = text + length};
    int status = error_catch(arena->error, json_read_root, &r);
    *value = r.root;
    return status;
}

const JsonValue *json_member(const JsonValue *value, const char *key)
{
    return value && value->kind == JSON_OBJECT && value->count ? *json_place(value, key, strlen(key)) : NULL;
}

const char *json_member_string(const JsonValue *value, const char *key)
{
    const JsonValue *member = json_member(value, key);
    return member && member->kind == JSON_STRING ? member->string : NULL;
}

double json_member_number(const JsonValue *value, const char *key)
{
    const JsonValue *member = json_member(value, key);
    return member && member->kind == JSON_NUMBER ? member->number : (double)NAN;
}
