/* numerals.h: numbers as people read them: to four decimals, lists of them, norms, sizes, bars. For jobs/. */
#ifndef JOBS_NUMERALS_H
#define JOBS_NUMERALS_H

#include "base/text.h"
#include <stdint.h>

enum { NUMERAL_FEW = 10 }; /* numbers that are shown one by one */

/* "-0.5012", "0" or "1" for what is exactly that, "3.2e-12" for what four decimals do not show. */
void numeral_print(Text *out, double value);

/* "+0.0868": numbers that are added to others. */
void numeral_print_change(Text *out, double value);

/* "4.1e-01": alike for all sizes, so that a column of them lines up. */
void numeral_print_power(Text *out, double value);

/* A few numbers one by one; of many, the norm and the largest, with their places: row and column if there are columns. */
void numeral_print_list(Text *out, const double *value, size_t count);
void numeral_print_matrix(Text *out, const double *value, size_t count, size_t columns);

/* "12.8 Mflop", "196 KiB" */
void numeral_print_flops(Text *out, double flops);
void numeral_print_bytes(Text *out, double bytes);

/* A bar of so many columns, to an eighth; never empty. */
void numeral_print_bar(Text *out, double columns);

/* The characters of UTF-8 text, and blanks up to a column counted from where `line` begins in out. */
size_t numeral_width(const char *s);
void numeral_pad(Text *out, size_t line, size_t column);

double numeral_norm(const double *value, size_t count);
double numeral_sum(const double *value, size_t count); /* of the sizes */

/* The places of the `most` largest numbers by size, largest first; returns how many there are. */
size_t numeral_largest(const double *value, size_t count, size_t most, size_t *place);

#endif
