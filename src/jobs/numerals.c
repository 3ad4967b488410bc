/* numerals.c: see numerals.h. */
#include "jobs/numerals.h"

#include <math.h>
#include <string.h>

enum { NUMERAL_DECIMALS = 4, NUMERAL_NAMED = 3 };

/* snprintf's %f would follow the locale. */
static void numeral_print_fixed(Text *out, double value, int decimals)
{
    int64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    int64_t whole = (int64_t)rint(fabs(value) * (double)unit);
    text_print(out, "%s%lld", value < 0 && whole ? "-" : "", (long long)(whole / unit));
    if (decimals) text_print(out, ".%0*lld", decimals, (long long)(whole % unit));
}

void numeral_print(Text *out, double value)
{
    char short_one[NUMBER_ROOM];
    double size = fabs(value);
    if (value == floor(value) && size < 1e6)
        text_print(out, "%s", number_print(short_one, value + 0.0)); /* never "-0" */
    else if (size >= 0.000995 && size < 1000)
        numeral_print_fixed(out, value, NUMERAL_DECIMALS);
    else if (size >= 1000 && size < 100000)
        numeral_print_fixed(out, value, 1);
    else
        text_print(out, "%s", number_print_short(short_one, value, 3));
}

void numeral_print_change(Text *out, double value)
{
    if (value > 0) text_put(out, '+');
    numeral_print(out, value);
}

void numeral_print_power(Text *out, double value)
{
    char plain[NUMBER_ROOM];
    if (!isfinite(value) || value == 0) {
        text_print(out, "%s", value == 0 ? "0" : number_print(plain, value));
        return;
    }
    int power = (int)floor(log10(fabs(value)));
    double digits = value * pow(10, -power);
    if (rint(fabs(digits) * 10) >= 100) digits /= 10, power++;
    numeral_print_fixed(out, digits, 1);
    text_print(out, "e%c%02d", power < 0 ? '-' : '+', power < 0 ? -power : power);
}

static void numeral_print_largest(Text *out, const double *value, size_t count, size_t columns)
{
    size_t place[NUMERAL_NAMED], named = numeral_largest(value, count, NUMERAL_NAMED, place);
    for (size_t i = 0; i < named; i++) {
        text_print(out, "%s", i ? ", " : ", largest ");
        numeral_print(out, value[place[i]]);
        text_print(out, " [");
        if (columns > 1) text_print(out, "%zu,", place[i] / columns);
        text_print(out, "%zu]", columns > 1 ? place[i] % columns : place[i]);
    }
}

void numeral_print_matrix(Text *out, const double *value, size_t count, size_t columns)
{
    for (size_t i = 0; count <= NUMERAL_FEW && i < count; i++) {
        if (i) text_put(out, ' ');
        numeral_print(out, value[i]);
    }
    if (count <= NUMERAL_FEW) return;
    text_print(out, "%zu numbers, norm ", count);
    numeral_print(out, numeral_norm(value, count));
    numeral_print_largest(out, value, count, columns);
}

void numeral_print_list(Text *out, const double *value, size_t count)
{
    numeral_print_matrix(out, value, count, 0);
}

/* A number with the unit that leaves one to four digits before the point. */
static void numeral_print_unit(Text *out, double value, double step, const char *const *unit)
{
    while (value >= step && unit[1])
        value /= step, unit++;
    numeral_print_fixed(out, value, value < 100 && value != floor(value));
    text_print(out, " %s", *unit);
}

void numeral_print_flops(Text *out, double flops)
{
    static const char *const unit[] = {"flop", "kflop", "Mflop", "Gflop", "Tflop", NULL};
    numeral_print_unit(out, flops, 1000, unit);
}

void numeral_print_bytes(Text *out, double bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    numeral_print_unit(out, bytes, 1024, unit);
}

void numeral_print_bar(Text *out, double columns)
{
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = columns > 0 ? (int)rint(8 * columns) : 0;
    if (!eighths) eighths = 1;
    for (int i = 0; i < eighths / 8; i++)
        text_print(out, "█");
    text_print(out, "%s", eighth[eighths % 8]);
}

size_t numeral_width(const char *s)
{
    size_t width = 0;
    for (; *s; s++)
        width += ((unsigned char)*s & 0xC0) != 0x80;
    return width;
}

void numeral_pad(Text *out, size_t line, size_t column)
{
    size_t width = numeral_width(text_end(out) + (out->failed ? 0 : line));
    text_print(out, "%*s", width < column ? (int)(column - width) : 0, "");
}

double numeral_norm(const double *value, size_t count)
{
    double largest = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(value[i]));
    if (largest == 0 || !isfinite(largest)) return largest;
    for (size_t i = 0; i < count; i++)
        sum += (value[i] / largest) * (value[i] / largest);
    return largest * sqrt(sum);
}

double numeral_sum(const double *value, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fabs(value[i]);
    return sum;
}

size_t numeral_largest(const double *value, size_t count, size_t most, size_t *place)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = found < most ? found++ : most;
        for (; at && fabs(value[i]) > fabs(value[place[at - 1]]); at--)
            if (at < most) place[at] = place[at - 1];
        if (at < most) place[at] = i;
    }
    return found;
}
