/* text.c: see text.h. */
#include "base/text.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_room(Text *t, size_t more)
{
    if (!t->failed && !memory_grow(&t->s, &t->room, t->length + more + 1, 1)) t->failed = true;
    return !t->failed;
}

void text_append(Text *t, const char *bytes, size_t length)
{
    if (!text_room(t, length)) return;
    memcpy(t->s + t->length, bytes, length);
    t->s[t->length += length] = 0;
}

void text_put(Text *t, char c)
{
    text_append(t, &c, 1);
}

void text_print(Text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !text_room(t, (size_t)length)) return;
    va_start(args, format);
    vsnprintf(t->s + t->length, (size_t)length + 1, format, args);
    va_end(args);
    t->length += (size_t)length;
}

void text_number(Text *t, double value)
{
    char out[NUMBER_ROOM];
    text_print(t, "%s", number_print(out, value));
}

const char *text_end(Text *t)
{
    return t->failed || !t->s ? "" : t->s;
}

void text_free(Text *t)
{
    memory_release(t->s);
    *t = (Text){0};
}

/* Numbers. The C library converts correctly but with the locale's decimal point, so that is what it is given. */

enum { DIGITS_ROOM = 800 }; /* more significant digits than ever decide a rounding */

static const char *word_read(const char *s, const char *end, const char *word)
{
    for (; *word; word++, s++)
        if (s == end || tolower((unsigned char)*s) != *word) return NULL;
    return s;
}

static const char *special_read(const char *s, const char *end, double sign, double *value)
{
    const char *after;
    if ((after = word_read(s, end, "nan"))) return *value = (double)NAN, after;
    if (!(after = word_read(s, end, "inf"))) return NULL;
    *value = sign * HUGE_VAL;
    const char *longer = word_read(after, end, "inity");
    return longer ? longer : after;
}

static double digits_value(uint64_t mantissa, int exponent, const char *s, size_t length)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (mantissa < (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) /* both factors exact: one rounding */
        return exponent < 0 ? (double)mantissa / power[-exponent] : (double)mantissa * power[exponent];
    char copy[DIGITS_ROOM + 8];
    const char *point = localeconv()->decimal_point;
    size_t n = 0;
    for (size_t i = 0; i < length && n < DIGITS_ROOM; i++) {
        if (s[i] != '.') copy[n++] = s[i];
        else
            for (const char *p = point; *p; p++)
                copy[n++] = *p;
    }
    copy[n] = 0;
    return strtod(copy, NULL);
}

const char *number_read(const char *s, const char *end, double *value)
{
    const char *start = s;
    double sign = 1;
    if (s < end && (*s == '-' || *s == '+')) sign = *s++ == '-' ? -1 : 1;
    const char *special = special_read(s, end, sign, value);
    if (special) return special;

    uint64_t mantissa = 0;
    int exponent = 0, digits = 0;
    bool point = false, exact = true;
    start = s;
    for (; s < end; s++) {
        if (*s == '.' && !point) {
            point = true;
            continue;
        }
        if (!isdigit((unsigned char)*s)) break;
        digits++;
        if (mantissa < UINT64_MAX / 10 - 1) mantissa = mantissa * 10 + (uint64_t)(*s - '0');
        else exact = false;
        exponent -= point;
    }
    if (!digits) return NULL;
    const char *e = s;
    if (e < end && (*e == 'e' || *e == 'E')) {
        int shift = 0, direction = 1;
        if (++e < end && (*e == '-' || *e == '+')) direction = *e++ == '-' ? -1 : 1;
        if (e < end && isdigit((unsigned char)*e)) {
            for (; e < end && isdigit((unsigned char)*e); e++)
                if (shift < 100000) shift = shift * 10 + (*e - '0');
            exponent += direction * shift;
            s = e;
        }
    }
    *value = sign * digits_value(exact ? mantissa : UINT64_MAX, exponent, start, (size_t)(s - start));
    return s;
}

bool number_is(const char *s, size_t length, double *value)
{
    const char *end = s + length;
    while (s < end && isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    return number_read(s, end, value) == end && s < end;
}

static char *number_point(char *out)
{
    const char *point = localeconv()->decimal_point;
    char *at = strcmp(point, ".") ? strstr(out, point) : NULL;
    if (at) {
        *at = '.';
        memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
    }
    return out;
}

char *number_print_short(char *out, double value, int digits)
{
    snprintf(out, NUMBER_ROOM, "%.*g", digits, value);
    return number_point(out);
}

static double number_back(const char *out)
{
    double value = 0;
    number_read(out, out + strlen(out), &value);
    return value;
}

char *number_print(char *out, double value)
{
    for (int digits = 6; digits < 17; digits++)
        if (number_back(number_print_short(out, value, digits)) == value) return out;
    return number_print_short(out, value, 17);
}

char *number_print_float(char *out, float value)
{
    for (int digits = 6; digits < 9; digits++)
        if ((float)number_back(number_print_short(out, (double)value, digits)) == value) return out;
    return number_print_short(out, (double)value, 9);
}

/* Damerau-Levenshtein distance (optimal string alignment) of two short words; large for long ones. */
static size_t name_distance(const char *a, const char *b)
{
    enum { LONGEST = 48 };
    size_t n = strlen(a), m = strlen(b), d[3][LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = d[i % 3], *last = d[(i - 1) % 3], *before = d[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return d[n % 3][m];
}

const char *name_nearest(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2; /* one slip in a short word, two or more in a long one */
    for (size_t i = 0; i < count; i++) {
        size_t distance = name_distance(word, names[i]);
        if (distance < best && distance < strlen(names[i])) best = distance, nearest = names[i];
    }
    return nearest;
}
