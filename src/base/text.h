/* text.h: strings that grow, UTF-8, numbers to and from text in every locale, and the nearest known name. Used by all. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/memory.h"
#include <stdbool.h>

/* A growing string. Zero-initialise it; release with text_free. If memory runs out, `failed` is set and further
 * calls do nothing, so only the end of a chain needs a check. `s` is never NULL after text_end. */
typedef struct Text {
    char *s;
    size_t length, room;
    bool failed;
} Text;

void text_print(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append(Text *t, const char *bytes, size_t length);
void text_put(Text *t, char c);
void text_number(Text *t, double value); /* as number_print */
/* A name for people: control characters, which would break a table or steer a terminal, become blanks. */
void text_name(Text *t, const char *s);
int text_width(const char *s); /* the characters of s, for columns that line up */
const char *text_end(Text *t); /* the string, "" when nothing was added or memory ran out */
void text_free(Text *t);

/* The number of bytes of the well-formed UTF-8 character at the start of [s, end); 0 if there is none. */
size_t utf8_length(const char *s, const char *end);

/* Reads a decimal floating-point number ("-1.5e3", "inf", "nan") at the start of [s, end), correctly rounded and
 * whatever the locale. Returns the first character after it, or NULL if none starts there. */
const char *number_read(const char *s, const char *end, double *value);

/* True if all of the text is one number (blanks around it are allowed). */
bool number_is(const char *s, size_t length, double *value);

/* The shortest decimal text that reads back as the same double, with '.' in every locale; whole numbers below 1e15
 * have all their digits. `out` needs 32 bytes. */
enum { NUMBER_ROOM = 32 };
char *number_print(char *out, double value);
char *number_print_float(char *out, float value); /* the shortest that reads back as the same float */
char *number_print_short(char *out, double value, int digits); /* like %.*g, '.' in every locale */

/* The entry of names[0..count) nearest to `word` by Damerau-Levenshtein distance, or NULL if none is near enough
 * to be what was meant. */
const char *name_nearest(const char *word, const char *const *names, size_t count);

#endif
