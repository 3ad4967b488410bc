/* json.h: strict JSON (RFC 8259), written onto a Text and read into an Arena. Used by safetensors headers, fitted
 * columns, events and `--json`; knows text.h and memory.h. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/text.h"
#include <stdint.h>

/* Writing. Start from {.out = &text}; commas come by themselves:
 *     json_open(&w, '{'), json_key(&w, "loss"), json_number(&w, 0.5), json_close(&w, '}');
 * A Text that ran out of memory stays failed, so its end is the place to check. */
typedef struct JsonWriter {
    Text *out;
    bool comma; /* the next key or value needs one before it */
} JsonWriter;

void json_open(JsonWriter *w, char bracket);  /* '{' or '[' */
void json_close(JsonWriter *w, char bracket); /* '}' or ']' */
void json_key(JsonWriter *w, const char *key);
void json_string(JsonWriter *w, const char *s);
void json_number(JsonWriter *w, double value); /* null if it is not finite */
void json_integer(JsonWriter *w, int64_t value);
void json_flag(JsonWriter *w, bool value);
void json_null(JsonWriter *w);
void json_raw(JsonWriter *w, const char *json); /* a value that is JSON already */

/* Appends s[0..length) in quotes and escaped; bytes that are not UTF-8 become U+FFFD. What it writes is also a
 * double-quoted scalar of YAML, which forbids a few more characters than JSON does. */
void json_quote(Text *out, const char *s, size_t length);

/* Reading. */
typedef enum JsonKind { JSON_NULL, JSON_FLAG, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct JsonValue {
    JsonKind kind;
    size_t offset;                   /* of its first byte in the text, for messages */
    const char *key;                 /* of an object's member: UTF-8, ended by 0; else NULL */
    size_t key_length;               /* a key may contain a 0, too (backslash u0000) */
    bool flag;                       /* JSON_FLAG */
    bool whole;                      /* JSON_NUMBER: `integer` is exactly this number */
    int64_t integer;                 /* any int64 written without point and exponent; otherwise up to 2^53 */
    double number;                   /* JSON_NUMBER: the nearest double */
    const char *string;              /* JSON_STRING: UTF-8, ended by 0 */
    size_t length;                   /* of the string */
    size_t count, index;             /* items of an array or object; this value's place among its siblings */
    const struct JsonValue *first;   /* item of an array or object */
    const struct JsonValue *next;    /* sibling */
    const struct JsonValue **lookup; /* JSON_OBJECT: hash table of lookup_room entries, for json_member */
    size_t lookup_room;
} JsonValue;

enum { JSON_DEPTH = 64 }; /* deeper nesting is refused, so that no input can exhaust the stack */

/* Reads text[0..length), which must be one value. Everything, and a message, goes to the arena and its error:
 * "NAME: byte N: what is wrong". Returns a status. */
int json_parse(Arena *arena, const char *name, const char *text, size_t length, const JsonValue **value);

/* The member of an object by key; NULL if there is none, or value is no object. Constant time. */
const JsonValue *json_member(const JsonValue *value, const char *key);

/* The same, but only if the member is a string or a number; else NULL or NaN. */
const char *json_member_string(const JsonValue *value, const char *key);
double json_member_number(const JsonValue *value, const char *key);

#endif
