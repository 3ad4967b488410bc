/* test_elements.c: the elementwise kernels against the rows' references, over a sample of all floats and at the special
 * ones; the same bits wherever an element stands; reductions, casts and random numbers. full_test_elements.c goes
 * through every float. */
#include "base/memory.h"
#include "base/philox.h"
#include "elements_check.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CHUNK = 1000 };

static const double special[] = {0.0,
                                 -0.0,
                                 1,
                                 -1,
                                 0.5,
                                 -0.5,
                                 1.5,
                                 2.5,
                                 -2.5,
                                 3,
                                 -3,
                                 2,
                                 -2,
                                 0x1p-149,
                                 -0x1p-149,
                                 0x1.8p-130,
                                 -0x1p-126,
                                 0x1p-126,
                                 1e-30,
                                 -1e-5,
                                 0.3,
                                 -0.7,
                                 10,
                                 -13,
                                 -14.3,
                                 88.8,
                                 -104,
                                 1e10,
                                 -1e20,
                                 FLT_MAX,
                                 -FLT_MAX,
                                 INFINITY,
                                 -INFINITY,
                                 NAN,
                                 8388609,
                                 -16777216,
                                 0x1.8p23,
                                 0.625,
                                 -0x1.fffffep-1,
                                 0x1.000002p0,
                                 1048576,
                                 1048577,
                                 2147483648.0,
                                 -0.49999997};
enum { SPECIALS = sizeof special / sizeof special[0] };

/* The i-th of a sequence of random 64 bits. */
static uint64_t random_bits(uint64_t i)
{
    return hash_mix(i * 0x9E3779B97F4A7C15u + 1);
}

/* A float of moderate size, either sign. */
static float random_float(uint64_t i)
{
    return (float)((double)(int64_t)random_bits(i) * 0x1p-61);
}

/* A block of n numbers in which reading or writing beyond the end is seen by the address sanitizer. */
static void *numbers_new(size_t n, size_t size)
{
    void *block = memory_new(n, size);
    assert_non_null(block);
    return block;
}

static int row_inputs(int row)
{
    return ops_table[row].inputs;
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* Runs a row over a chunk for every instruction set here and compares. */
static void check_row(int row, const float *const x[3], size_t n)
{
    double *want = numbers_new(n, sizeof(double));
    float *y = numbers_new(n, sizeof(float));
    elements_reference(row, x, want, n);
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        if (isa_has(isa)) {
            elements_for(isa)->f32[row](y, x[0], x[1], x[2], n);
            assert_false(elements_wrong(isa, row, x, y, want, n));
        }
    memory_release(want);
    memory_release(y);
}

static void test_table_is_full(void **state)
{
    (void)state;
    assert_int_equal(ELEMENTS, OP_where + 1);
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (int row = 0; row < ELEMENTS; row++) {
            assert_true(ops_table[row].elementwise);
            assert_non_null(elements_for(isa)->f32[row]);
            assert_non_null(elements_for(isa)->f64[row]);
            assert_non_null(elements_for(isa)->f32_scalar[row]);
            assert_non_null(elements_for(isa)->f64_scalar[row]);
        }
}

/* Two million of all floats, evenly, so that every exponent has some four thousand. */
static void test_sample_of_all_floats(void **state)
{
    (void)state;
    float *x = numbers_new(4096, sizeof(float));
    for (int row = 0; row < ELEMENTS; row++)
        for (uint64_t bits = 0; row_inputs(row) == 1 && bits <= UINT32_MAX;) {
            size_t n = 0;
            for (; n < 4096 && bits <= UINT32_MAX; bits += 2053)
                x[n++] = elements_float((uint32_t)bits);
            check_row(row, (const float *const[3]){x}, n);
        }
    memory_release(x);
}

/* Every combination of special numbers. */
static void test_special_numbers(void **state)
{
    (void)state;
    enum { ALL = SPECIALS * SPECIALS * SPECIALS };
    float *x[3];
    for (int k = 0; k < 3; k++)
        x[k] = numbers_new(ALL, sizeof(float));
    for (size_t i = 0; i < ALL; i++) {
        x[0][i] = (float)special[i % SPECIALS];
        x[1][i] = (float)special[i / SPECIALS % SPECIALS];
        x[2][i] = (float)special[i / SPECIALS / SPECIALS];
    }
    const size_t count[] = {0, SPECIALS, SPECIALS * SPECIALS, ALL};
    for (int row = 0; row < ELEMENTS; row++)
        check_row(row, (const float *const[3]){x[0], x[1], x[2]}, count[row_inputs(row)]);
    for (int k = 0; k < 3; k++)
        memory_release(x[k]);
}

/* Any bits; neighbouring floats, where comparisons and differences are close; moderate numbers, for pow. */
static void test_random_pairs(void **state)
{
    (void)state;
    enum { PAIRS = 1 << 16 };
    float *x = numbers_new(3 * PAIRS, sizeof(float)), *z = numbers_new(3 * PAIRS, sizeof(float));
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint64_t bits = random_bits(i);
        x[3 * i] = elements_float((uint32_t)bits);
        z[3 * i] = elements_float((uint32_t)(bits >> 32));
        x[3 * i + 1] = elements_float((uint32_t)bits);
        z[3 * i + 1] = elements_float((uint32_t)bits + (uint32_t)(bits >> 63));
        x[3 * i + 2] = random_float(2 * i);
        z[3 * i + 2] = i % 2 ? 10 * random_float(2 * i + 1) : rintf(4 * random_float(2 * i + 1));
    }
    for (int row = 0; row < ELEMENTS; row++)
        if (row_inputs(row) == 2) check_row(row, (const float *const[3]){x, z}, 3 * PAIRS);
    memory_release(x);
    memory_release(z);
}

/* Where exp, gelu and pow leave the normal numbers, and powers of two ulps from 1. */
static void test_edges_of_range(void **state)
{
    (void)state;
    float *x = numbers_new(CHUNK, sizeof(float)), *z = numbers_new(CHUNK, sizeof(float));
    const float from[] = {-14.6f, -13.5f, -105, -89, 88, 9, -12, 1 - 0x1p-16f};
    const float step[] = {0x1p-9f, 0x1p-9f, 0x1p-5f, 0x1p-7f, 0x1p-9f, 0x1p-9f, 0x1p-8f, 0x1p-24f};
    for (int k = 0; k < 8; k++) {
        for (int i = 0; i < CHUNK; i++) {
            x[i] = from[k] + (float)i * step[k];
            z[i] = k == 7 ? 0x1p28f : -35;
        }
        for (int row = 0; row < ELEMENTS; row++)
            if (row_inputs(row) < 3) check_row(row, (const float *const[3]){x, z}, CHUNK);
        check_row(OP_pow, (const float *const[3]){z, x}, CHUNK);
    }
    memory_release(x);
    memory_release(z);
}

static bool same_double(double a, double b)
{
    return (a != a && b != b) || !memcmp(&a, &b, sizeof a);
}

/* f64 is the reference itself, to the bit. */
static void test_f64_is_the_reference(void **state)
{
    (void)state;
    enum { N = SPECIALS * SPECIALS };
    double *x[3], *y = numbers_new(N, sizeof(double));
    for (int k = 0; k < 3; k++)
        x[k] = numbers_new(N, sizeof(double));
    for (size_t i = 0; i < N; i++) {
        uint64_t bits = random_bits(i);
        x[0][i] = special[i % SPECIALS];
        x[1][i] = special[i / SPECIALS];
        memcpy(&x[2][i], &bits, sizeof bits);
    }
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (int row = 0; isa_has(isa) && row < ELEMENTS; row++)
            for (int turn = 0; turn < 3; turn++) {
                const double *a = x[turn], *b = x[(turn + 1) % 3], *c = x[(turn + 2) % 3];
                elements_for(isa)->f64[row](y, a, b, c, N);
                for (size_t i = 0; i < N; i++)
                    if (!same_double(y[i], ops_table[row].reference(a[i], b[i], c[i])))
                        fail_msg("%s in f64, %s(%a, %a, %a) is %a", isa_name(isa), ops_table[row].name, a[i],
                                 b[i], c[i], y[i]);
            }
    for (int k = 0; k < 3; k++)
        memory_release(x[k]);
    memory_release(y);
}

/* ---- The same bits everywhere ------------------------------------------------------------------------------------ */

typedef struct Operands {
    float *f32[3];
    double *f64[3];
} Operands;

/* Moderate numbers with some special ones between them. */
static Operands operands_new(void)
{
    Operands o;
    for (int k = 0; k < 3; k++) {
        o.f32[k] = numbers_new(CHUNK, sizeof(float));
        o.f64[k] = numbers_new(CHUNK, sizeof(double));
        for (size_t i = 0; i < CHUNK; i++) {
            uint64_t at = (uint64_t)k * CHUNK + i;
            bool plain = random_bits(at) % 4;
            o.f64[k][i] = plain ? random_float(at) : special[random_bits(at) / 4 % SPECIALS];
            o.f32[k][i] = (float)o.f64[k][i];
        }
    }
    return o;
}

static void operands_free(Operands *o)
{
    for (int k = 0; k < 3; k++) {
        memory_release(o->f32[k]);
        memory_release(o->f64[k]);
    }
}

/* Cuts the chunk at every place that `cut` gives and asks for the same bits as in one piece. */
static void check_cuts(const Elements *e, int row, const Operands *o, size_t cut)
{
    float *f32[2] = {numbers_new(CHUNK, sizeof(float)), numbers_new(CHUNK, sizeof(float))};
    double *f64[2] = {numbers_new(CHUNK, sizeof(double)), numbers_new(CHUNK, sizeof(double))};
    e->f32[row](f32[0], o->f32[0], o->f32[1], o->f32[2], CHUNK);
    e->f64[row](f64[0], o->f64[0], o->f64[1], o->f64[2], CHUNK);
    for (size_t i = 0; i < CHUNK; i += cut) {
        size_t n = CHUNK - i < cut ? CHUNK - i : cut;
        e->f32[row](f32[1] + i, o->f32[0] + i, o->f32[1] + i, o->f32[2] + i, n);
        e->f64[row](f64[1] + i, o->f64[0] + i, o->f64[1] + i, o->f64[2] + i, n);
    }
    if (memcmp(f32[0], f32[1], CHUNK * sizeof(float)) || memcmp(f64[0], f64[1], CHUNK * sizeof(double)))
        fail_msg("%s: other bits when cut every %zu elements", ops_table[row].name, cut);
    for (int k = 0; k < 2; k++) {
        memory_release(f32[k]);
        memory_release(f64[k]);
    }
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 3, 7, 13, 17, 31, 64, 999};
    Operands o = operands_new();
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (int row = 0; isa_has(isa) && row < ELEMENTS; row++)
            for (size_t k = 0; k < sizeof cuts / sizeof cuts[0]; k++)
                check_cuts(elements_for(isa), row, &o, cuts[k]);
    operands_free(&o);
}

/* y may be any of the operands. */
static void test_in_place(void **state)
{
    (void)state;
    Operands o = operands_new();
    float *want = numbers_new(CHUNK, sizeof(float)), *y = numbers_new(CHUNK, sizeof(float));
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (int row = 0; isa_has(isa) && row < ELEMENTS; row++)
            for (int k = 0; k < row_inputs(row); k++) {
                const Elements *e = elements_for(isa);
                const float *x[3] = {o.f32[0], o.f32[1], o.f32[2]};
                e->f32[row](want, x[0], x[1], x[2], CHUNK);
                memcpy(y, x[k], CHUNK * sizeof(float));
                x[k] = y;
                e->f32[row](y, x[0], x[1], x[2], CHUNK);
                assert_memory_equal(y, want, CHUNK * sizeof(float));
            }
    memory_release(want);
    memory_release(y);
    operands_free(&o);
}

/* A scalar operand gives what a chunk full of it gives. */
static void check_scalars(const Elements *e, int row, const Operands *o, int scalars, size_t n)
{
    Operands full = operands_new();
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < CHUNK; i++) {
            full.f32[k][i] = o->f32[k][scalars >> k & 1 ? 0 : i];
            full.f64[k][i] = o->f64[k][scalars >> k & 1 ? 0 : i];
        }
    float f32[2][CHUNK];
    double f64[2][CHUNK];
    e->f32[row](f32[0], full.f32[0], full.f32[1], full.f32[2], n);
    e->f64[row](f64[0], full.f64[0], full.f64[1], full.f64[2], n);
    e->f32_scalar[row](f32[1], o->f32[0], o->f32[1], o->f32[2], n, scalars);
    e->f64_scalar[row](f64[1], o->f64[0], o->f64[1], o->f64[2], n, scalars);
    assert_memory_equal(f32[0], f32[1], n * sizeof(float));
    assert_memory_equal(f64[0], f64[1], n * sizeof(double));
    operands_free(&full);
}

static void test_scalar_operands(void **state)
{
    (void)state;
    Operands o = operands_new();
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (int row = 0; isa_has(isa) && row < ELEMENTS; row++)
            for (int scalars = 0; scalars < 1 << row_inputs(row); scalars++) {
                check_scalars(elements_for(isa), row, &o, scalars, CHUNK - 5);
                check_scalars(elements_for(isa), row, &o, scalars, 3);
            }
    operands_free(&o);
}

/* Nothing is written beyond the end, nothing at all for n = 0. */
static void test_stays_inside(void **state)
{
    (void)state;
    Operands o = operands_new();
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (int row = 0; isa_has(isa) && row < ELEMENTS; row++)
            for (size_t n = 0; n < 40; n++) {
                const Elements *e = elements_for(isa);
                float f32[41];
                double f64[41];
                f32[n] = 7;
                f64[n] = 7;
                e->f32[row](f32, o.f32[0], o.f32[1], o.f32[2], n);
                e->f64[row](f64, o.f64[0], o.f64[1], o.f64[2], n);
                assert_true(f32[n] == 7 && f64[n] == 7);
            }
    operands_free(&o);
}

/* ---- Reductions -------------------------------------------------------------------------------------------------- */

/* Sums of small integers are exact in any order. */
static void check_reductions(const Elements *e, size_t n, size_t shift)
{
    float *x = numbers_new(n + shift, sizeof(float));
    double *z = numbers_new(n + shift, sizeof(double)), sum = 0, largest = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        z[i + shift] = (double)(random_bits(i) % 4001) - 3000;
        x[i + shift] = (float)z[i + shift];
        sum += z[i + shift];
        largest = fmax(largest, z[i + shift]);
    }
    assert_true(e->sum_f32(x + shift, n) == (float)sum);
    assert_true(e->sum_f64(z + shift, n) == sum);
    assert_true(e->max_f32(x + shift, n) == (float)largest);
    assert_true(e->max_f64(z + shift, n) == largest);
    if (n) {
        x[shift + n * 5 / 7] = NAN;
        z[shift + n * 5 / 7] = NAN;
        assert_true(isnan(e->max_f32(x + shift, n)) && isnan(e->max_f64(z + shift, n)));
        assert_true(isnan(e->sum_f32(x + shift, n)) && isnan(e->sum_f64(z + shift, n)));
    }
    memory_release(x);
    memory_release(z);
}

static void test_reductions(void **state)
{
    (void)state;
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (size_t n = 0; isa_has(isa) && n < 300; n++)
            check_reductions(elements_for(isa), n, n % 5);
}

/* The tree is the same at every address, and no running sum is long: 1024 times 0.1 keep six digits. */
static void test_sums_are_fixed_and_accurate(void **state)
{
    (void)state;
    enum { N = 1024 };
    float *x = numbers_new(N + 1, sizeof(float)), *shifted = x + 1;
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        if (isa_has(isa)) {
            const Elements *e = elements_for(isa);
            for (size_t i = 0; i < N; i++)
                x[i] = 0.1f;
            assert_true(fabs(e->sum_f32(x, N) - N * (double)0.1f) < 1e-4);
            for (size_t i = 0; i < N; i++)
                x[i] = random_float(i);
            float sum = e->sum_f32(x, N - 3);
            memmove(shifted, x, N * sizeof(float));
            assert_true(e->sum_f32(shifted, N - 3) == sum);
        }
    memory_release(x);
}

static void test_reductions_over_rows(void **state)
{
    (void)state;
    enum { N = 45 };
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        if (isa_has(isa)) {
            const Elements *e = elements_for(isa);
            float sum[N], most[N], row[2 * N];
            double sum64[N], most64[N], row64[2 * N];
            for (int i = 0; i < N; i++) {
                row[i] = (float)(row64[i] = i % 9 ? i - 20 : NAN);
                row[N + i] = (float)(row64[N + i] = 3 * i - 70);
                sum[i] = (float)(sum64[i] = i);
                most[i] = (float)(most64[i] = i % 5 ? -3 : NAN);
            }
            e->sum_rows_f32(sum, row, 2, N);
            e->sum_rows_f64(sum64, row64, 2, N);
            e->max_rows_f32(most, row, 2, N);
            e->max_rows_f64(most64, row64, 2, N);
            for (int i = 0; i < N; i++) {
                double total = i + row64[i] + row64[N + i],
                       largest = i % 9 && i % 5 ? fmax(fmax(-3, row64[i]), row64[N + i]) : NAN;
                assert_true(same_double(sum64[i], total) && same_double(sum[i], total));
                assert_true(same_double(most64[i], largest) && same_double(most[i], largest));
            }
        }
}

static void test_repeated_rows(void **state)
{
    (void)state;
    enum { ROWS = 3, MOST = 37, ROOM = 64 / sizeof(float) };
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (size_t n = ROWS; isa_has(isa) && n <= MOST; n++) {
            const Elements *e = elements_for(isa);
            float *x = memory_new(n, sizeof *x), y[ROWS * MOST + ROOM], z[ROWS * MOST + ROOM];
            double x64[MOST], y64[ROWS * MOST + ROOM], z64[ROWS * MOST + ROOM];
            for (size_t i = 0; i < n; i++)
                x[i] = (float)(x64[i] = (double)i + 1);
            e->repeat_f32(y, x, ROWS, n);
            e->repeat_f64(y64, x64, ROWS, n);
            e->spread_f32(z, x, ROWS, n);
            e->spread_f64(z64, x64, ROWS, n);
            for (size_t i = 0; i < ROWS * n; i++) {
                assert_true(y[i] == x[i % n] && y64[i] == x64[i % n]);
                assert_true(z[i] == x[i / n] && z64[i] == x64[i / n]);
            }
            memory_release(x);
        }
}

/* ---- Casts ------------------------------------------------------------------------------------------------------- */

static const struct {
    double x;
    int32_t i32;
    uint8_t u8;
} casts[] = {
    {0, 0, 0},
    {-0.0, 0, 0},
    {0.99, 0, 0},
    {-0.99, 0, 0},
    {1.5, 1, 1},
    {-1.5, -1, 0},
    {254.9375, 254, 254},
    {255.5, 255, 255},
    {256, 256, 255},
    {-7, -7, 0},
    {8388607.5, 8388607, 255},
    {2147483520, 2147483520, 255},
    {2147483648.0, INT32_MAX, 255},
    {-2147483648.0, INT32_MIN, 0},
    {1e30, INT32_MAX, 255},
    {-1e30, INT32_MIN, 0},
    {INFINITY, INT32_MAX, 255},
    {-INFINITY, INT32_MIN, 0},
    {NAN, 0, 0},
};
enum { CASTS = sizeof casts / sizeof casts[0] };

static void test_casts_to_integers(void **state)
{
    (void)state;
    float f32[CASTS];
    double f64[CASTS];
    for (int i = 0; i < CASTS; i++)
        f32[i] = (float)(f64[i] = casts[i].x);
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        if (isa_has(isa)) {
            const Elements *e = elements_for(isa);
            int32_t i32[2][CASTS], exact;
            uint8_t u8[2][CASTS];
            e->f32_to_i32(i32[0], f32, CASTS);
            e->f64_to_i32(i32[1], f64, CASTS);
            e->f32_to_u8(u8[0], f32, CASTS);
            e->f64_to_u8(u8[1], f64, CASTS);
            for (int i = 0; i < CASTS; i++) {
                assert_int_equal(i32[0][i], casts[i].i32);
                assert_int_equal(i32[1][i], casts[i].i32);
                assert_int_equal(u8[0][i], casts[i].u8);
                assert_int_equal(u8[1][i], casts[i].u8);
            }
            e->f64_to_i32(&exact, (const double[]){2147483646.9}, 1);
            assert_int_equal(exact, 2147483646);
        }
}

static void test_casts_to_reals(void **state)
{
    (void)state;
    enum { N = 256 };
    uint8_t u8[N];
    int32_t i32[N];
    float f32[N];
    double f64[N], back[N];
    for (int i = 0; i < N; i++) {
        u8[i] = (uint8_t)i;
        i32[i] = (int32_t)random_bits((uint64_t)i);
    }
    i32[0] = INT32_MIN;
    i32[1] = INT32_MAX;
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        if (isa_has(isa)) {
            const Elements *e = elements_for(isa);
            e->u8_to_f32(f32, u8, N);
            e->u8_to_f64(f64, u8, N);
            for (int i = 0; i < N; i++)
                assert_true(f32[i] == (float)i && f64[i] == i);
            e->i32_to_f32(f32, i32, N);
            e->i32_to_f64(f64, i32, N);
            for (int i = 0; i < N; i++)
                assert_true(f32[i] == (float)i32[i] && f64[i] == i32[i]);
            e->f32_to_f64(back, f32, N);
            e->f64_to_f32(f32, f64, N);
            for (int i = 0; i < N; i++)
                assert_true(back[i] == (float)i32[i] && f32[i] == (float)f64[i]);
        }
}

/* ---- Random numbers ---------------------------------------------------------------------------------------------- */

/* The layout that elements.h describes, one number at a time. */
static float uniform_alone(uint64_t seed, uint64_t site, uint64_t i)
{
    return (float)(philox(seed, site, i / 4).word[i % 4] >> 8) * 0x1p-24f;
}

static double uniform_alone_f64(uint64_t seed, uint64_t site, uint64_t i)
{
    Philox p = philox(seed, site, i / 2);
    uint64_t bits = p.word[i % 2 * 2] | (uint64_t)p.word[i % 2 * 2 + 1] << 32;
    return (double)(bits >> 11) * 0x1p-53;
}

static void test_uniform_is_philox(void **state)
{
    (void)state;
    const uint64_t seed = 0x123456789ABCDEF0, site = 0xFEDCBA9876543210;
    const uint64_t first[] = {0, 1, 2, 3, 5, 1000003, (UINT64_C(1) << 34) - 21, UINT64_C(1) << 60};
    for (Isa isa = 0; isa < ISA_COUNT; isa++)
        for (size_t k = 0; isa_has(isa) && k < sizeof first / sizeof first[0]; k++)
            for (size_t n = 0; n < 100; n += 7) {
                float f32[100];
                double f64[100];
                f32[n] = 7;
                f64[n] = 7;
                elements_for(isa)->uniform_f32(f32, seed, site, first[k], n);
                elements_for(isa)->uniform_f64(f64, seed, site, first[k], n);
                for (size_t i = 0; i < n; i++) {
                    assert_true(f32[i] == uniform_alone(seed, site, first[k] + i));
                    assert_true(f64[i] == uniform_alone_f64(seed, site, first[k] + i));
                }
                assert_true(f32[n] == 7 && f64[n] == 7);
            }
}

/* Any part of the sequence is the same, made alone. */
static void test_normal_cut_anywhere(void **state)
{
    (void)state;
    enum { N = 200 };
    const Elements *e = elements_for(isa_best());
    float f32[N], part32[N];
    double f64[N], part64[N];
    e->normal_f32(f32, 1, 2, 0, N);
    e->normal_f64(f64, 1, 2, 0, N);
    for (size_t begin = 0; begin < N; begin += 17) {
        e->normal_f32(part32, 1, 2, begin, N - begin);
        e->normal_f64(part64, 1, 2, begin, N - begin);
        assert_memory_equal(part32, f32 + begin, (N - begin) * sizeof(float));
        assert_memory_equal(part64, f64 + begin, (N - begin) * sizeof(double));
    }
}

/* The first moments of 2^17 numbers, within five standard errors. */
static void check_moments(const double *x, size_t n, double mean, double variance, double fourth)
{
    double sum[5] = {0};
    for (size_t i = 0; i < n; i++)
        for (int k = 1; k < 5; k++)
            sum[k] += pow(x[i] - mean, k) / (double)n;
    double error = 5 / sqrt((double)n);
    assert_true(fabs(sum[1]) < error * sqrt(variance));
    assert_true(fabs(sum[2] - variance) < error * sqrt(fourth - variance * variance));
    assert_true(fabs(sum[3]) < 4 * error * pow(variance, 1.5));
    assert_true(fabs(sum[4] - fourth) < 10 * error * variance * variance);
}

static void test_random_moments(void **state)
{
    (void)state;
    enum { N = 1 << 17 };
    const Elements *e = elements_for(isa_best());
    float *f32 = numbers_new(N, sizeof(float));
    double *x = numbers_new(N, sizeof(double));
    e->uniform_f32(f32, 3, 4, 0, N);
    e->f32_to_f64(x, f32, N);
    check_moments(x, N, 0.5, 1.0 / 12, 1.0 / 80);
    for (int i = 0; i < N; i++)
        assert_true(x[i] >= 0 && x[i] < 1);
    e->uniform_f64(x, 3, 4, 0, N);
    check_moments(x, N, 0.5, 1.0 / 12, 1.0 / 80);
    e->normal_f32(f32, 3, 4, 0, N);
    e->f32_to_f64(x, f32, N);
    check_moments(x, N, 0, 1, 3);
    e->normal_f64(x, 3, 4, 0, N);
    check_moments(x, N, 0, 1, 3);
    memory_release(f32);
    memory_release(x);
}

/* Another seed, another site: other numbers. */
static void test_random_keys(void **state)
{
    (void)state;
    const Elements *e = elements_for(isa_best());
    const uint64_t keys[][2] = {
        {1, 2}, {2, 1}, {1, 3}, {1 + (UINT64_C(1) << 32), 2}, {1, 2 + (UINT64_C(1) << 32)}};
    enum { KEYS = sizeof keys / sizeof keys[0] };
    float y[KEYS][8];
    for (int k = 0; k < KEYS; k++) {
        e->uniform_f32(y[k], keys[k][0], keys[k][1], 0, 8);
        for (int j = 0; j < k; j++)
            assert_memory_not_equal(y[j], y[k], sizeof y[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_full),        cmocka_unit_test(test_sample_of_all_floats),
        cmocka_unit_test(test_special_numbers),      cmocka_unit_test(test_random_pairs),
        cmocka_unit_test(test_edges_of_range),       cmocka_unit_test(test_f64_is_the_reference),
        cmocka_unit_test(test_cut_anywhere),         cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_scalar_operands),      cmocka_unit_test(test_stays_inside),
        cmocka_unit_test(test_reductions),           cmocka_unit_test(test_sums_are_fixed_and_accurate),
        cmocka_unit_test(test_reductions_over_rows), cmocka_unit_test(test_repeated_rows),
        cmocka_unit_test(test_casts_to_integers),    cmocka_unit_test(test_casts_to_reals),
        cmocka_unit_test(test_uniform_is_philox),    cmocka_unit_test(test_normal_cut_anywhere),
        cmocka_unit_test(test_random_moments),       cmocka_unit_test(test_random_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
