/* elements_check.h: what the quick and the exhaustive test of the elementwise kernels share: which rows must be exact,
 * and the distance of a result from the row's reference. */
#ifndef TESTS_ELEMENTS_CHECK_H
#define TESTS_ELEMENTS_CHECK_H

#include "cpu/elements.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The rows whose f32 may be 2 units off; every other row is one correctly rounded operation. */
static const char *const elements_rounded[] = {"pow",   "exp",   "expm1", "log",     "log1p", "sin",  "cos",
                                               "tan",   "asin",  "acos",  "atan",    "sinh",  "cosh", "tanh",
                                               "asinh", "acosh", "atanh", "sigmoid", "erf",   "erfc", "gelu"};

static inline int64_t elements_allowed(int row)
{
    for (size_t i = 0; i < sizeof elements_rounded / sizeof elements_rounded[0]; i++)
        if (!strcmp(ops_table[row].name, elements_rounded[i])) return 2;
    return 0;
}

static inline float elements_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t elements_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* How many floats lie between y and the reference, rounded; many for a NaN or a sign (of a zero, too) out of place. */
static inline int64_t elements_distance(float y, double reference)
{
    const int64_t far = INT64_C(1) << 40;
    float want = (float)reference;
    if (y != y || want != want) return y != y && want != want ? 0 : far;
    if (signbit(y) != signbit(want)) return far;
    int64_t d = (int64_t)elements_bits(y) - (int64_t)elements_bits(want);
    return d < 0 ? -d : d;
}

/* Compares n results of a row with the reference, kept in want. Says so and returns 1 at the first that is too far. */
static inline int elements_wrong(Isa isa, int row, const float *const x[3], const float *y,
                                 const double *want, size_t n)
{
    int64_t allowed = elements_allowed(row);
    for (size_t i = 0; i < n; i++) {
        int64_t d = elements_distance(y[i], want[i]);
        if (d <= allowed) continue;
        fprintf(stderr, "%s, %s(", isa_name(isa), ops_table[row].name);
        for (int k = 0; k < ops_table[row].inputs; k++)
            fprintf(stderr, "%s%a", k ? ", " : "", (double)x[k][i]);
        fprintf(stderr, "): %a, should be %a, %lld off, allowed are %lld\n", (double)y[i], want[i],
                (long long)d, (long long)allowed);
        return 1;
    }
    return 0;
}

/* The references of n elements. */
static inline void elements_reference(int row, const float *const x[3], double *want, size_t n)
{
    int inputs = ops_table[row].inputs;
    for (size_t i = 0; i < n; i++)
        want[i] = ops_table[row].reference(x[0][i], inputs > 1 ? x[1][i] : 0, inputs > 2 ? x[2][i] : 0);
}

#endif
