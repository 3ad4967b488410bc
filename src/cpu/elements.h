/* elements.h: the elementwise primitives, reductions, casts and random numbers on chunks of contiguous numbers. Used by
 * what runs fused groups; knows ops.h (the rows), isa.h and base.
 *
 * A kernel takes a chunk of any length at any address. The bits of a result depend on the element's operands and the
 * instruction set alone, never on its place, the chunk's length or alignment: cut a tensor anywhere, get the same. */
#ifndef CPU_ELEMENTS_H
#define CPU_ELEMENTS_H

#include "cpu/isa.h"
#include "ops/ops.h"
#include <stdint.h>

/* How many rows elementwise.def has: OpCode's first values. */
enum {
    ELEMENTS = 0
#define ELEMENT1(name, value, gradient) +1
#define ELEMENT2(name, value, gradient) +1
#define ELEMENT3(name, value, gradient) +1
#include "ops/elementwise.def"
#undef ELEMENT1
#undef ELEMENT2
#undef ELEMENT3
};

/* y[i] = row(a[i], b[i], c[i]) for i < n; operands that the row does not have are not looked at. y may be a, b or c,
 * but must not overlap one of them otherwise. */
typedef void ElementF32(float *y, const float *a, const float *b, const float *c, size_t n);
typedef void ElementF64(double *y, const double *a, const double *b, const double *c, size_t n);

/* The same where some operands are one number for the whole chunk: the set of those, and a, b or c points to it. */
enum { ELEMENT_A = 1, ELEMENT_B = 2, ELEMENT_C = 4 };
typedef void ElementScalarF32(float *y, const float *a, const float *b, const float *c, size_t n,
                              int scalars);
typedef void ElementScalarF64(double *y, const double *a, const double *b, const double *c, size_t n,
                              int scalars);

/* A kernel that the build generated for the steps of a group (codegen/fused.h has the text), for n elements. What it
 * reads are floats, but doubles where the text says that it is one number. */
typedef void FusedF32(float *const *y, const void *const *x, size_t n);

typedef struct FusedKernel {
    const char *text;
    FusedF32 *run;
} FusedKernel;

typedef struct Elements {
    /* Sorted by text; none in a build without generated kernels. */
    const FusedKernel *fused;
    size_t fused_count;
    size_t lanes; /* floats in a vector */

    /* By OpCode, none NULL. f32 is within 2 units in the last place of the rounded exact value for every float; f64 is
     * the row's reference, or correctly rounded where that is. */
    ElementF32 *f32[ELEMENTS];
    ElementF64 *f64[ELEMENTS];
    ElementScalarF32 *f32_scalar[ELEMENTS];
    ElementScalarF64 *f64_scalar[ELEMENTS];

    /* One chunk to one number, by a tree that depends on n alone. The sum of nothing is 0, its maximum -inf; a NaN
     * anywhere is the maximum. */
    float (*sum_f32)(const float *x, size_t n);
    double (*sum_f64)(const double *x, size_t n);
    float (*max_f32)(const float *x, size_t n);
    double (*max_f64)(const double *x, size_t n);

    /* A reduction over rows of n: y[i] += x[i], += x[n + i], ...; y[i] = max(y[i], x[i]), ... where a NaN stays. */
    void (*sum_rows_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*sum_rows_f64)(double *y, const double *x, size_t rows, size_t n);
    void (*max_rows_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*max_rows_f64)(double *y, const double *x, size_t rows, size_t n);

    /* All of a small reduction: y[0..n) from nothing over rows of n, and y[r] from the elements of row r. */
    void (*sum_columns_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*max_columns_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*sum_lines_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*max_lines_f32)(float *y, const float *x, size_t rows, size_t n);

    /* Rows of n, one behind the other: all of them x, or filled with x[0], x[1], ... They write up to a vector beyond
     * the last. */
    void (*repeat_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*repeat_f64)(double *y, const double *x, size_t rows, size_t n);
    void (*spread_f32)(float *y, const float *x, size_t rows, size_t n);
    void (*spread_f64)(double *y, const double *x, size_t rows, size_t n);

    /* Casts. To an integer: cut off towards zero, the nearest there is if out of range, 0 for NaN. */
    void (*f32_to_f64)(double *y, const float *x, size_t n);
    void (*f64_to_f32)(float *y, const double *x, size_t n);
    void (*u8_to_f32)(float *y, const uint8_t *x, size_t n);
    void (*u8_to_f64)(double *y, const uint8_t *x, size_t n);
    void (*i32_to_f32)(float *y, const int32_t *x, size_t n);
    void (*i32_to_f64)(double *y, const int32_t *x, size_t n);
    void (*f32_to_i32)(int32_t *y, const float *x, size_t n);
    void (*f64_to_i32)(int32_t *y, const double *x, size_t n);
    void (*f32_to_u8)(uint8_t *y, const float *x, size_t n);
    void (*f64_to_u8)(uint8_t *y, const double *x, size_t n);

    /* y[i] is random number first + i of the sequence (seed, site), the same for every instruction set. Four f32 or two
     * f64 come from one Philox block, philox(seed, site, index / 4 or 2), in the order of its words (low word first).
     * uniform: multiples of 2^-24 or 2^-53 in [0, 1). normal: by Box and Muller from pairs of numbers in a block. */
    void (*uniform_f32)(float *y, uint64_t seed, uint64_t site, uint64_t first, size_t n);
    void (*uniform_f64)(double *y, uint64_t seed, uint64_t site, uint64_t first, size_t n);
    void (*normal_f32)(float *y, uint64_t seed, uint64_t site, uint64_t first, size_t n);
    void (*normal_f64)(double *y, uint64_t seed, uint64_t site, uint64_t first, size_t n);
} Elements;

/* The kernels for an instruction set that this machine has. */
const Elements *elements_for(Isa isa);

#endif
