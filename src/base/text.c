/* text.c: see text.h. */
#include "base/text.h"

#include <float.h>
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
    if (length) memcpy(t->s + t->length, bytes, length); /* memcpy wants an address even for no bytes */
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

void text_name(Text *t, const char *s)
{
    for (; *s; s++)
        text_put(t, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
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

/* The rows are table 3-7 of Unicode: they leave no room for overlong forms and surrogates. */
size_t utf8_length(const char *s, const char *end)
{
    static const struct {
        unsigned char lead_from, lead_to, next_from, next_to;
        size_t bytes;
    } form[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
                {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    if (s == end) return 0;
    const unsigned char *u = (const unsigned char *)s;
    if (*u < 0x80) return 1;
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        if (*u < form[i].lead_from || *u > form[i].lead_to) continue;
        if ((size_t)(end - s) < form[i].bytes || u[1] < form[i].next_from || u[1] > form[i].next_to) return 0;
        for (size_t k = 2; k < form[i].bytes; k++)
            if (u[k] >> 6 != 2) return 0;
        return form[i].bytes;
    }
    return 0;
}

int text_width(const char *s)
{
    int width = 0;
    for (const char *end = s + strlen(s); s < end; width++) {
        size_t length = utf8_length(s, end);
        s += length ? length : 1;
    }
    return width;
}

/* Numbers. The C library converts correctly, but with the locale's decimal point: it is given none to read, and what
 * it printed is repaired. (localeconv would tell which it is, but not to two threads at once.) Letters and digits are
 * compared by hand, because in some locales the small letter of I is not i. */

enum {
    DIGITS_ROOM = 800, /* more significant digits than ever decide a rounding */
    EXPONENT_MOST = 100000
};

static bool number_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char text_small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool number_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *word_read(const char *s, const char *end, const char *word)
{
    for (; *word; word++, s++)
        if (s == end || text_small(*s) != *word) return NULL;
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

/* The digits of [s, end) without the point as one whole number, times 10^exponent. Digits beyond the room only say
 * that the value is a little larger, which one more digit says as well. */
static double digits_convert(const char *s, const char *end, int exponent)
{
    char copy[DIGITS_ROOM + 32];
    size_t n = 0;
    for (; s < end; s++) {
        if (*s == '.' || (*s == '0' && !n)) continue;
        if (n < DIGITS_ROOM)
            copy[n++] = *s;
        else {
            if (*s != '0') copy[DIGITS_ROOM - 1] = copy[DIGITS_ROOM - 1] == '0' ? '1' : copy[DIGITS_ROOM - 1];
            exponent++;
        }
    }
    snprintf(copy + n, sizeof copy - n, "e%d", exponent);
    return n ? strtod(copy, NULL) : 0;
}

static double digits_value(uint64_t mantissa, int exponent, const char *s, const char *end)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (mantissa < (uint64_t)1 << 53 && exponent >= -22 &&
        exponent <= 22) /* both factors exact: one rounding */
        return exponent < 0 ? (double)mantissa / power[-exponent] : (double)mantissa * power[exponent];
    return digits_convert(s, end, exponent);
}

/* Reads "e-12" and adds it to *exponent; an e without digits belongs to what follows the number. */
static const char *exponent_read(const char *s, const char *end, int *exponent)
{
    if (s == end || text_small(*s) != 'e') return s;
    const char *e = s + 1;
    int shift = 0, direction = 1;
    if (e < end && (*e == '-' || *e == '+')) direction = *e++ == '-' ? -1 : 1;
    if (e == end || !number_digit(*e)) return s;
    for (; e < end && number_digit(*e); e++)
        if (shift < EXPONENT_MOST) shift = shift * 10 + (*e - '0');
    *exponent += direction * shift;
    return e;
}

const char *number_read(const char *s, const char *end, double *value)
{
    double sign = 1;
    if (s < end && (*s == '-' || *s == '+')) sign = *s++ == '-' ? -1 : 1;
    const char *special = special_read(s, end, sign, value);
    if (special) return special;

    const char *start = s;
    uint64_t mantissa = 0;
    int exponent = 0;
    bool point = false, exact = true, digits = false;
    for (; s < end; s++) {
        if (*s == '.' && !point) {
            point = true;
            continue;
        }
        if (!number_digit(*s)) break;
        digits = true;
        if (mantissa < UINT64_MAX / 10 - 1)
            mantissa = mantissa * 10 + (uint64_t)(*s - '0');
        else
            exact = false;
        exponent -= point;
    }
    if (!digits) return NULL;
    const char *last = s;
    s = exponent_read(s, end, &exponent);
    *value = sign * digits_value(exact ? mantissa : UINT64_MAX, exponent, start, last);
    return s;
}

bool number_is(const char *s, size_t length, double *value)
{
    const char *end = s + length;
    while (s < end && number_blank(*s))
        s++;
    while (end > s && number_blank(end[-1]))
        end--;
    return s < end && number_read(s, end, value) == end;
}

/* Whatever stands between the digits of a printed number is the locale's decimal point. */
static char *number_point(char *out)
{
    char *at = out + (*out == '-');
    while (number_digit(*at))
        at++;
    size_t foreign = 0;
    while (at[foreign] && at[foreign] != 'e' && !number_digit(at[foreign]))
        foreign++;
    if (at == out || !foreign || !number_digit(at[-1])) return out;
    *at = '.';
    memmove(at + 1, at + foreign, strlen(at + foreign) + 1);
    return out;
}

char *number_print_short(char *out, double value, int digits)
{
    if (isnan(value)) return strcpy(out, "nan"); /* its sign depends on the machine */
    snprintf(out, NUMBER_ROOM, "%.*g", digits, value);
    return number_point(out);
}

static double number_back(const char *out)
{
    double value = 0;
    number_read(out, out + strlen(out), &value);
    return value;
}

/* Counts are written out, not as 1e+06. */
static bool number_print_whole(char *out, double value)
{
    const double most = 1e15;
    if (!(fabs(value) < most) || value != floor(value)) return false;
    snprintf(out, NUMBER_ROOM, "%.0f", value);
    return true;
}

/* Six digits are where a short text would end anyway, as %g drops zeros; not so where numbers thin out towards 0. */
static int number_least_digits(double value, double normal)
{
    return fabs(value) < normal ? 1 : 6;
}

char *number_print(char *out, double value)
{
    if (number_print_whole(out, value)) return out;
    for (int digits = number_least_digits(value, DBL_MIN); digits < 17; digits++)
        if (number_back(number_print_short(out, value, digits)) == value) return out;
    return number_print_short(out, value, 17);
}

char *number_print_float(char *out, float value)
{
    if (fabsf(value) < 0x1p24f && number_print_whole(out, (double)value)) return out;
    for (int digits = number_least_digits((double)value, (double)FLT_MIN); digits < 9; digits++)
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
            size_t best = last[j - 1] + (text_small(a[i - 1]) != text_small(b[j - 1]));
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
    size_t slips = strlen(word) / 3,
           best = slips < 2 ? 2 : slips + 1; /* one in a short word, more in a long one */
    for (size_t i = 0; i < count; i++) {
        size_t distance = name_distance(word, names[i]);
        if (distance < best && distance < strlen(names[i])) best = distance, nearest = names[i];
    }
    return nearest;
}
