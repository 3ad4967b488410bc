/* test_matmul.c: matrix products against their definition, and the choice of instruction sets. `test_matmul PROBLEM`
 * replays one problem, as a failing test prints it: matmul:f32:avx2:m5n7k3:TN:add1:pad3:shift1. */
#include "base/philox.h"
#include "cpu/matmul.h"
#include "cpu/threads.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A problem: operands with `pad` unused elements between rows, all of them `shift` elements off alignment. */
typedef struct Problem {
    MatmulType type;
    Isa isa;
    int64_t m, n, k;
    bool a_turned, b_turned, add;
    int pad, shift;
} Problem;

static const char *problem_name(const Problem *q)
{
    static char name[128];
    snprintf(name, sizeof name, "matmul:f%d:%s:m%" PRId64 "n%" PRId64 "k%" PRId64 ":%c%c:add%d:pad%d:shift%d",
             q->type == MATMUL_F32 ? 32 : 64, isa_name(q->isa), q->m, q->n, q->k, q->a_turned ? 'T' : 'N',
             q->b_turned ? 'T' : 'N', q->add, q->pad, q->shift);
    return name;
}

static bool problem_read(const char *name, Problem *q)
{
    int bits, add;
    char isa[8], a, b;
    *q = (Problem){0};
    if (sscanf(name, "matmul:f%d:%7[^:]:m%" SCNd64 "n%" SCNd64 "k%" SCNd64 ":%c%c:add%d:pad%d:shift%d", &bits,
               isa, &q->m, &q->n, &q->k, &a, &b, &add, &q->pad, &q->shift) != 10)
        return false;
    Error e = {0};
    q->type = bits == 32 ? MATMUL_F32 : MATMUL_F64;
    q->a_turned = a == 'T', q->b_turned = b == 'T', q->add = add;
    return isa_parse(isa, &q->isa, &e) == NUDGE_OK;
}

/* ---- Matrices ---------------------------------------------------------------------------------------------------- */

static size_t type_size(MatmulType type)
{
    return type == MATMUL_F32 ? sizeof(float) : sizeof(double);
}

static double element(MatmulType type, const void *from, int64_t i)
{
    return type == MATMUL_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

static void element_set(MatmulType type, void *to, int64_t i, double value)
{
    if (type == MATMUL_F32)
        ((float *)to)[i] = (float)value;
    else
        ((double *)to)[i] = value;
}

/* Memory that ends where the matrix ends, so that the address sanitizer sees a step too far. */
typedef struct Matrix {
    void *block, *at;
    int64_t rows, columns, row, room;
} Matrix;

static double number(uint64_t seed, int64_t i)
{
    return (double)philox(seed, 0, (uint64_t)i).word[0] / 0x80000000u - 1;
}

/* Numbers in [-1, 1), and NaN in the padding: a kernel that uses it shows. */
static Matrix matrix_new(const Problem *q, int64_t rows, int64_t columns, uint64_t seed)
{
    Matrix x = {.rows = rows, .columns = columns, .row = columns + q->pad};
    x.room = rows && columns ? (rows - 1) * x.row + columns : 0;
    x.block = malloc((size_t)(x.room + q->shift) * type_size(q->type) + !x.room);
    assert_non_null(x.block);
    x.at = (char *)x.block + (size_t)q->shift * type_size(q->type);
    for (int64_t i = 0; i < x.room; i++)
        element_set(q->type, x.at, i, i % x.row < columns ? number(seed, i) : (double)NAN);
    return x;
}

static Matrix matrix_copy(const Problem *q, const Matrix *from)
{
    Matrix x = matrix_new(q, from->rows, from->columns, 0);
    memcpy(x.at, from->at, (size_t)x.room * type_size(q->type));
    return x;
}

/* The operands of a problem and its plan. */
typedef struct Case {
    Problem q;
    Matrix a, b, c;
    Matmul plan;
} Case;

static Case case_new(Problem q)
{
    Case t = {.q = q};
    t.a = q.a_turned ? matrix_new(&q, q.k, q.m, 1) : matrix_new(&q, q.m, q.k, 1);
    t.b = q.b_turned ? matrix_new(&q, q.n, q.k, 2) : matrix_new(&q, q.k, q.n, 2);
    t.c = matrix_new(&q, q.m, q.n, 3);
    t.plan = (Matmul){.m = q.m,
                      .n = q.n,
                      .k = q.k,
                      .a_row = q.a_turned ? 1 : t.a.row,
                      .a_column = q.a_turned ? t.a.row : 1,
                      .b_row = q.b_turned ? 1 : t.b.row,
                      .b_column = q.b_turned ? t.b.row : 1,
                      .c_row = t.c.row,
                      .type = q.type,
                      .isa = q.isa,
                      .add = q.add};
    matmul_plan(&t.plan);
    return t;
}

static void case_free(Case *t)
{
    free(t->a.block);
    free(t->b.block);
    free(t->c.block);
}

static void *scratch_new(const Matmul *p)
{
    void *scratch = NULL;
    if (p->scratch) assert_int_equal(posix_memalign(&scratch, 64, p->scratch), 0);
    if (p->scratch) memset(scratch, 0xFF, p->scratch);
    return scratch;
}

/* Runs all tasks, the last one first if asked. */
static void case_run(const Case *t, void *c, bool backward)
{
    void *scratch = scratch_new(&t->plan);
    for (int64_t i = 0; i < t->plan.tasks; i++)
        matmul_task(&t->plan, t->a.at, t->b.at, c, backward ? t->plan.tasks - 1 - i : i, scratch);
    free(scratch);
}

/* ---- Against the definition -------------------------------------------------------------------------------------- */

/* What rounding may do to an element of C: (k + 2) eps sum |a||b|, and a subnormal's last bit for each product. */
static double element_bound(const Case *t, const Matrix *before, int64_t i, int64_t j)
{
    MatmulType type = t->q.type;
    double sum = t->q.add ? fabs(element(type, before->at, i * t->c.row + j)) : 0;
    for (int64_t p = 0; p < t->q.k; p++)
        sum += fabs(element(type, t->a.at, i * t->plan.a_row + p * t->plan.a_column) *
                    element(type, t->b.at, p * t->plan.b_row + j * t->plan.b_column));
    double last = (double)t->q.k * (type == MATMUL_F32 ? (double)FLT_TRUE_MIN : DBL_TRUE_MIN);
    return (double)(t->q.k + 2) * (type == MATMUL_F32 ? (double)FLT_EPSILON : DBL_EPSILON) * sum + last;
}

static bool element_near(const Case *t, const Matrix *before, const Matrix *right, int64_t i, int64_t j)
{
    double got = element(t->q.type, t->c.at, i * t->c.row + j),
           want = element(t->q.type, right->at, i * t->c.row + j);
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got)) return want == got;
    return fabs(got - want) <= element_bound(t, before, i, j);
}

/* True if C is as it must be, and what lies between its rows as it was (NaN). */
static bool case_right(const Case *t, const Matrix *before, const Matrix *right)
{
    for (int64_t i = 0; i < t->c.room; i++)
        if (i % t->c.row >= t->q.n ? !isnan(element(t->q.type, t->c.at, i))
                                   : !element_near(t, before, right, i / t->c.row, i % t->c.row))
            return false;
    return true;
}

static void case_check(Case *t)
{
    Matrix before = matrix_copy(&t->q, &t->c), right = matrix_copy(&t->q, &t->c);
    matmul_reference(&t->plan, t->a.at, t->b.at, right.at);
    case_run(t, t->c.at, false);
    if (!case_right(t, &before, &right)) fail_msg("wrong: test_matmul %s", problem_name(&t->q));
    free(before.block);
    free(right.block);
}

static void problem_check(Problem q)
{
    if (!isa_has(q.isa)) return;
    Case t = case_new(q);
    case_check(&t);
    case_free(&t);
}

/* Calls check for all types and instruction sets of this machine. */
static void each_kernel(Problem q, void (*check)(Problem))
{
    for (q.type = 0; q.type < MATMUL_TYPES; q.type++)
        for (q.isa = 0; q.isa < ISA_COUNT; q.isa++)
            if (isa_has(q.isa)) check(q);
}

/* Everything but the sizes, by chance. */
static Problem problem_sample(int64_t m, int64_t n, int64_t k, uint64_t at)
{
    Philox r = philox(4, 0, at);
    return (Problem){.m = m,
                     .n = n,
                     .k = k,
                     .a_turned = r.word[0] & 1,
                     .b_turned = r.word[0] & 2,
                     .add = r.word[0] & 4,
                     .pad = (int)(r.word[1] % 4),
                     .shift = (int)(r.word[2] % 4)};
}

/* All remainders of all tiles: 8 rows, 32 columns, and two tiles of rows. */
static void test_remainders(void **state)
{
    (void)state;
    uint64_t at = 0;
    for (int64_t m = 1; m <= 17; m++)
        for (int64_t n = 1; n <= 34; n++, at++)
            each_kernel(problem_sample(m, n, philox(5, 0, at).word[0] % 41, at), problem_check);
}

static void test_layouts(void **state)
{
    static const int64_t sizes[][3] = {{7, 19, 11}, {19, 40, 70}, {1, 37, 35},
                                       {37, 1, 35}, {3, 2, 60},   {40, 70, 33}};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int bits = 0; bits < 32; bits++)
            each_kernel((Problem){.m = sizes[s][0],
                                  .n = sizes[s][1],
                                  .k = sizes[s][2],
                                  .a_turned = bits & 1,
                                  .b_turned = bits & 2,
                                  .add = bits & 4,
                                  .pad = bits & 8 ? 5 : 0,
                                  .shift = bits & 16 ? 1 : 0},
                        problem_check);
}

/* The plan of a larger product serves. */
static void smaller_check(Problem q)
{
    Case t = case_new(q);
    Matmul larger = t.plan;
    larger.m += q.m > 1 ? 20 : 0, larger.n += q.n > 1 ? 70 : 0, larger.k += 300;
    larger.b_near = !q.b_turned;
    matmul_plan(&larger);
    t.plan = matmul_smaller(&larger, q.m, q.n, q.k);
    case_check(&t);
    case_free(&t);
}

static void test_smaller(void **state)
{
    static const int64_t sizes[][3] = {{7, 19, 11}, {40, 70, 260}, {1, 37, 35},
                                       {37, 1, 35}, {3, 2, 60},    {1, 1, 9}};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (uint64_t at = 0; at < 16; at++)
            each_kernel(problem_sample(sizes[s][0], sizes[s][1], sizes[s][2], at), smaller_check);
}

/* More than one block of k, of rows and of columns; rows a multiple of 4 KiB apart; long rows and columns. */
static void test_large(void **state)
{
    static const Problem large[] = {
        {.m = 13, .n = 37, .k = 255},
        {.m = 13, .n = 37, .k = 257, .b_turned = true},
        {.m = 9, .n = 33, .k = 1030, .a_turned = true},
        {.m = 300, .n = 35, .k = 129},
        {.m = 300, .n = 70, .k = 60, .a_turned = true, .b_turned = true},
        {.m = 7, .n = 1100, .k = 65},
        {.m = 20, .n = 70, .k = 200, .pad = 824},
        {.m = 1, .n = 1000, .k = 300, .b_turned = true},
        {.m = 1, .n = 1000, .k = 300},
        {.m = 1000, .n = 1, .k = 300},
        {.m = 1000, .n = 1, .k = 300, .a_turned = true},
        {.m = 1, .n = 1, .k = 10000},
        {.m = 32, .n = 10, .k = 128, .b_turned = true},
        {.m = 100, .n = 32, .k = 32, .a_turned = true},
    };
    (void)state;
    for (size_t s = 0; s < sizeof large / sizeof large[0]; s++)
        each_kernel(large[s], problem_check);
}

/* Sizes spread over the powers of two. */
static void test_sampled(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 60; at++) {
        int64_t size[3];
        for (int i = 0; i < 3; i++) {
            Philox r = philox(6, (uint64_t)i, at);
            size[i] = 1 + r.word[0] % (2u << r.word[1] % 8);
        }
        each_kernel(problem_sample(size[0], size[1], size[2], 1000 + at), problem_check);
    }
}

/* Strides that are 1 in no direction: every second row and column of larger matrices. */
static void strided_check(Problem q)
{
    Problem wide = q;
    wide.m *= 2, wide.k *= 2, wide.n *= 2;
    Case t = case_new(wide);
    t.q = q;
    t.plan.m = q.m, t.plan.n = q.n, t.plan.k = q.k;
    t.plan.a_row *= 2, t.plan.a_column *= 2, t.plan.b_row *= 2, t.plan.b_column *= 2;
    matmul_plan(&t.plan);
    for (int64_t i = 0; i < t.c.room; i++)
        if (i % t.c.row >= q.n) element_set(q.type, t.c.at, i, (double)NAN);
    t.c.room = q.m ? (q.m - 1) * t.c.row + q.n : 0;
    Matrix before = t.c, right = t.c;
    before.block = memcpy(malloc((size_t)t.c.room * 8), t.c.at, (size_t)t.c.room * type_size(q.type));
    right.block = memcpy(malloc((size_t)t.c.room * 8), t.c.at, (size_t)t.c.room * type_size(q.type));
    before.at = before.block, right.at = right.block;
    matmul_reference(&t.plan, t.a.at, t.b.at, right.at);
    case_run(&t, t.c.at, false);
    assert_true(case_right(&t, &before, &right));
    free(before.block);
    free(right.block);
    case_free(&t);
}

static void test_strided(void **state)
{
    (void)state;
    each_kernel((Problem){.m = 21, .n = 39, .k = 45}, strided_check);
    each_kernel((Problem){.m = 1, .n = 39, .k = 45}, strided_check);
    each_kernel((Problem){.m = 39, .n = 1, .k = 45, .add = true}, strided_check);
    each_kernel((Problem){.m = 2, .n = 3, .k = 4}, strided_check);
}

/* ---- Special values ---------------------------------------------------------------------------------------------- */

static void empty_check(Problem q)
{
    Case t = case_new(q);
    assert_int_equal(t.plan.tasks, q.m > 0 && q.n > 0);
    case_check(&t);
    case_free(&t);
}

static void test_empty(void **state)
{
    (void)state;
    for (int add = 0; add < 2; add++) {
        each_kernel((Problem){.m = 0, .n = 5, .k = 7, .add = add}, empty_check);
        each_kernel((Problem){.m = 5, .n = 0, .k = 7, .add = add}, empty_check);
        each_kernel((Problem){.m = 50, .n = 70, .k = 0, .add = add, .pad = 1}, empty_check);
        each_kernel((Problem){.m = 1, .n = 70, .k = 0, .add = add}, empty_check);
    }
}

/* NaN, infinities (times zero, too), and products that are subnormal. */
static void special_check(Problem q)
{
    static const double special[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 0, 0};
    Case t = case_new(q);
    for (int i = 0; i < 5; i++) {
        element_set(q.type, t.a.at, philox(7, 0, (uint64_t)i).word[0] % t.a.room, special[i]);
        element_set(q.type, t.b.at, philox(7, 1, (uint64_t)i).word[0] % t.b.room, special[4 - i]);
    }
    case_check(&t);
    case_free(&t);
}

static void subnormal_check(Problem q)
{
    Case t = case_new(q);
    double small = q.type == MATMUL_F32 ? 1e-25 : 1e-160;
    for (int64_t i = 0; i < t.a.room; i++)
        element_set(q.type, t.a.at, i, small * element(q.type, t.a.at, i));
    for (int64_t i = 0; i < t.b.room; i++)
        element_set(q.type, t.b.at, i, small * 1e6 * element(q.type, t.b.at, i));
    case_run(&t, t.c.at, false);
    int64_t nonzero = 0;
    for (int64_t i = 0; i < t.c.room; i++)
        nonzero += element(q.type, t.c.at, i) != 0;
    case_check(&t);
    assert_true(nonzero > t.c.room / 2);
    case_free(&t);
}

static void test_special(void **state)
{
    static const int64_t sizes[][3] = {{3, 3, 3}, {14, 37, 40}, {1, 50, 40}, {50, 1, 40}};
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int turned = 0; turned < 4; turned++) {
            Problem q = {.m = sizes[i][0],
                         .n = sizes[i][1],
                         .k = sizes[i][2],
                         .a_turned = turned & 1,
                         .b_turned = turned & 2};
            each_kernel(q, special_check);
            each_kernel(q, subnormal_check);
        }
}

/* The check itself must see an element that is off by little more than rounding, and a write beside C. */
static void test_check_sees(void **state)
{
    (void)state;
    Case t = case_new((Problem){.m = 9, .n = 20, .k = 30, .pad = 2});
    Matrix before = matrix_copy(&t.q, &t.c), right = matrix_copy(&t.q, &t.c);
    matmul_reference(&t.plan, t.a.at, t.b.at, right.at);
    case_run(&t, t.c.at, false);
    assert_true(case_right(&t, &before, &right));
    float *c = t.c.at, kept = c[2 * t.c.row + 3];
    c[2 * t.c.row + 3] += 3 * (float)element_bound(&t, &before, 2, 3);
    assert_false(case_right(&t, &before, &right));
    c[2 * t.c.row + 3] = kept;
    c[2 * t.c.row + 20] = 0;
    assert_false(case_right(&t, &before, &right));
    free(before.block);
    free(right.block);
    case_free(&t);
}

/* ---- Tasks ------------------------------------------------------------------------------------------------------- */

static const Problem nets[] = {
    {.m = 32, .n = 128, .k = 784, .b_turned = true},
    {.m = 784, .n = 128, .k = 32, .a_turned = true},
    {.m = 128, .n = 64, .k = 64, .b_turned = true},
    {.m = 32, .n = 10, .k = 128, .b_turned = true},
    {.m = 64, .n = 300, .k = 257},
    {.m = 1, .n = 700, .k = 130, .b_turned = true},
    {.m = 700, .n = 1, .k = 130, .a_turned = true},
};

enum { NETS = sizeof nets / sizeof nets[0] };

static void cover_check(Problem q)
{
    Case t = case_new(q);
    unsigned char *seen = calloc((size_t)q.m, (size_t)q.n);
    for (int64_t task = 0; task < t.plan.tasks; task++) {
        MatmulTile tile = matmul_tile(&t.plan, task);
        assert_true(tile.rows > 0 && tile.columns > 0);
        for (int64_t i = tile.row; i < tile.row + tile.rows; i++)
            for (int64_t j = tile.column; j < tile.column + tile.columns; j++)
                seen[i * q.n + j]++;
    }
    for (int64_t i = 0; i < q.m * q.n; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
    case_free(&t);
}

/* Every element is in one task, and two threads both get work. */
static void test_tasks(void **state)
{
    (void)state;
    for (int i = 0; i < NETS; i++) {
        each_kernel(nets[i], cover_check);
        Case t = case_new(nets[i]);
        assert_true(t.plan.tasks >= 2);
        case_free(&t);
    }
    each_kernel((Problem){.m = 301, .n = 523, .k = 3}, cover_check);
    each_kernel((Problem){.m = 2, .n = 2, .k = 2}, cover_check);
}

typedef struct Walk {
    const Case *t;
    void *c;
} Walk;

static void walk(void *context, int thread, int count)
{
    const Walk *w = context;
    void *scratch = scratch_new(&w->t->plan);
    for (int64_t task = thread; task < w->t->plan.tasks; task += count)
        matmul_task(&w->t->plan, w->t->a.at, w->t->b.at, w->c, task, scratch);
    free(scratch);
}

static void bits_check(Problem q)
{
    Case t = case_new(q);
    size_t size = (size_t)t.c.room * type_size(q.type);
    void *first = calloc(1, size), *again = calloc(1, size);
    case_run(&t, first, false);
    case_run(&t, again, true);
    assert_memory_equal(first, again, size);
    for (int threads = 1; threads <= 4; threads *= 2) {
        Threads *pool = threads_new(threads);
        memset(again, 0, size);
        threads_run(pool, walk, &(Walk){&t, again});
        assert_memory_equal(first, again, size);
        threads_free(pool);
    }
    free(first);
    free(again);
    case_free(&t);
}

static void test_bits(void **state)
{
    (void)state;
    for (int i = 0; i < NETS; i++)
        each_kernel(nets[i], bits_check);
}

/* ---- Instruction sets -------------------------------------------------------------------------------------------- */

static void test_isa(void **state)
{
    (void)state;
    Error e = {0};
    Isa isa = ISA_COUNT;
    assert_true(isa_has(ISA_BASE) && isa_has(isa_best()));
    for (Isa each = 0; each < ISA_COUNT; each++) {
        error_clear(&e);
        assert_int_equal(isa_parse(isa_name(each), &isa, &e), isa_has(each) ? NUDGE_OK : NUDGE_INPUT);
        if (isa_has(each)) assert_int_equal(isa, each);
    }
}

static void test_isa_unknown(void **state)
{
    (void)state;
    Error e = {0};
    Isa isa = ISA_BASE;
    assert_int_equal(isa_parse("avx3", &isa, &e), NUDGE_INPUT);
    assert_string_equal(e.message, "isa=avx3: no such instruction set; did you mean avx2?");
    error_clear(&e);
    assert_int_equal(isa_parse("", &isa, &e), NUDGE_INPUT);
    assert_non_null(strstr(e.message, "choose base, avx2 or avx512"));
    assert_int_equal(isa, ISA_BASE);
}

int main(int count, char **args)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remainders),  cmocka_unit_test(test_layouts), cmocka_unit_test(test_smaller),
        cmocka_unit_test(test_large),       cmocka_unit_test(test_sampled), cmocka_unit_test(test_strided),
        cmocka_unit_test(test_empty),       cmocka_unit_test(test_special), cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_check_sees),  cmocka_unit_test(test_bits),    cmocka_unit_test(test_isa),
        cmocka_unit_test(test_isa_unknown),
    };
    Problem q;
    if (count > 1) {
        if (!problem_read(args[1], &q))
            return fprintf(stderr, "%s: no problem; see the head of the file\n", args[1]), 2;
        Case t = case_new(q);
        case_check(&t);
        case_free(&t);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
