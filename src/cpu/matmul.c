/* matmul.c: see matmul.h. The kernels are in matmul.inc; here are their table, the choice of way and tiles, and the
 * reference. */
#include "cpu/matmul.h"

#include <assert.h>
#include <string.h>
#if ISA_X86
#include <immintrin.h>
#endif

/* A product with one row or one column, as one: to[outputs] (+)= matrix[outputs, depth] x[depth]. */
typedef struct MatmulLine {
    const void *matrix, *x;
    void *to;
    int64_t outputs, depth;
    int64_t output, along; /* the matrix's strides */
    int64_t x_step, to_step;
    bool add;
} MatmulLine;

typedef struct MatmulKernel {
    void (*tiles)(const Matmul *p, MatmulTile tile, const void *a, const void *b, void *c, void *scratch);
    void (*dots)(const MatmulLine *l, void *scratch);
    void (*sums)(const MatmulLine *l, void *scratch);
    void (*small)(const Matmul *p, const void *left, const void *right, void *to, void *scratch);
    int size;  /* of an element */
    int lanes; /* of a vector */
    int rows;  /* of a register tile at most */
} MatmulKernel;

enum {
    MATMUL_SUMS_WIDE = 8,        /* vectors that a weighted sum of rows computes at once */
    MATMUL_PANEL = 24 << 10,     /* bytes of B's panel: beside a tile of A in an L1 cache of 32 KiB */
    MATMUL_BLOCK = 128 << 10,    /* bytes of A's block: a part of the L2 cache that can be relied on */
    MATMUL_DEPTH = 256,          /* of a block of k at most */
    MATMUL_SHORT = 32,           /* k that needs no packing */
    MATMUL_ALIAS = 4096,         /* bytes after which addresses share cache lines */
    MATMUL_COLUMNS = 512,        /* of a task at most */
    MATMUL_LITTLE = 512,         /* multiplications up to which tiles do not pay */
    MATMUL_TASK = 500,           /* cycles that a task costs by being one */
    MATMUL_LINE_TASK = 32 << 10, /* multiplications in a task of a single row or column, about */
};

static int64_t matmul_parts(int64_t whole, int64_t part)
{
    return (whole + part - 1) / part;
}

static int64_t matmul_less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows of a tile when `rows` are divided as evenly as possible. */
static inline int matmul_height(int64_t rows, int64_t tiles, int64_t tile)
{
    return (int)(rows / tiles + (tile < rows % tiles));
}

#define MATMUL_NAME(x) x##_f32_base
#define MATMUL_REAL    float
#define MATMUL_BYTES   16
#define MATMUL_ROWS    6
#define MATMUL_TARGET
#define MATMUL_FMA(a, b, c) ((a) * (b) + (c))
#include "cpu/matmul.inc"

#define MATMUL_NAME(x) x##_f64_base
#define MATMUL_REAL    double
#define MATMUL_BYTES   16
#define MATMUL_ROWS    6
#define MATMUL_TARGET
#define MATMUL_FMA(a, b, c) ((a) * (b) + (c))
#include "cpu/matmul.inc"

#if ISA_X86
#define MATMUL_NAME(x) x##_f32_avx2
#define MATMUL_REAL    float
#define MATMUL_BYTES   32
#define MATMUL_ROWS    6
#define MATMUL_TARGET  ISA_TARGET_AVX2
#define MATMUL_FMA     _mm256_fmadd_ps
#include "cpu/matmul.inc"

#define MATMUL_NAME(x) x##_f64_avx2
#define MATMUL_REAL    double
#define MATMUL_BYTES   32
#define MATMUL_ROWS    6
#define MATMUL_TARGET  ISA_TARGET_AVX2
#define MATMUL_FMA     _mm256_fmadd_pd
#include "cpu/matmul.inc"

#define MATMUL_NAME(x) x##_f32_avx512
#define MATMUL_REAL    float
#define MATMUL_BYTES   64
#define MATMUL_ROWS    8
#define MATMUL_TARGET  ISA_TARGET_AVX512
#define MATMUL_FMA     _mm512_fmadd_ps
#include "cpu/matmul.inc"

#define MATMUL_NAME(x) x##_f64_avx512
#define MATMUL_REAL    double
#define MATMUL_BYTES   64
#define MATMUL_ROWS    8
#define MATMUL_TARGET  ISA_TARGET_AVX512
#define MATMUL_FMA     _mm512_fmadd_pd
#include "cpu/matmul.inc"
#endif

static const MatmulKernel *const matmul_kernels[MATMUL_TYPES][ISA_COUNT] = {
    [MATMUL_F32] = {[ISA_BASE] = &matmul_kernel_f32_base,
#if ISA_X86
                    [ISA_AVX2] = &matmul_kernel_f32_avx2,
                    [ISA_AVX512] = &matmul_kernel_f32_avx512
#endif
    },
    [MATMUL_F64] = {[ISA_BASE] = &matmul_kernel_f64_base,
#if ISA_X86
                    [ISA_AVX2] = &matmul_kernel_f64_avx2,
                    [ISA_AVX512] = &matmul_kernel_f64_avx512
#endif
    },
};

/* ---- Planning ---------------------------------------------------------------------------------------------------
 *
 * How C is cut into tasks is found by trying, with a model of the time in cycles. It matters for small products: many
 * tasks keep many threads busy, but each of them packs its operands itself. */

/* Packing pays for an operand that is read more than twice with a long stride; a short k leaves it in the L1 cache
 * anyway. A that runs along k is as few streams as a processor can follow, unless they fall on the same cache lines. */
static void matmul_packing(Matmul *p, const MatmulKernel *kernel)
{
    bool deep = p->depth > MATMUL_SHORT;
    bool streams = p->a_column == 1 && p->a_row * kernel->size % MATMUL_ALIAS != 0;
    p->pack_a = deep && !streams && p->columns > 4 * kernel->lanes;
    p->pack_b = p->b_column != 1 || (deep && !p->b_near && p->rows > 2 * kernel->rows);
}

/* The time of a full task. Tiles of fewer than four rows take as long as four. */
static double matmul_cycles(const Matmul *p, const MatmulKernel *kernel)
{
    double k = (double)p->k, rows = (double)p->rows, blocks = (double)matmul_parts(p->k, p->depth);
    double tiles = (double)matmul_parts(p->rows, kernel->rows);
    double vectors = (double)matmul_parts(p->columns, kernel->lanes);
    double multiply = k * vectors * (rows > 4 * tiles ? rows : 4 * tiles) / 2;
    double write = blocks * vectors * (rows + 6 * tiles);
    double pack_a = p->pack_a ? rows * k * 0.4 : 0;
    double pack_b = p->pack_b ? (double)p->columns * k * (p->b_column == 1 ? 1.5 / kernel->lanes : 0.3) : 0;
    return MATMUL_TASK + multiply + write + pack_a + pack_b;
}

/* The time of the whole product on 1, 2, 4 and 8 threads, weighted: few threads are what most machines spare. The
 * number of threads that there really are must not matter here. */
static double matmul_score(const Matmul *p, const MatmulKernel *kernel)
{
    static const double weight[] = {4, 4, 2, 1};
    double rounds = 0;
    for (int i = 0; i < 4; i++)
        rounds += weight[i] * (double)(matmul_parts(p->tasks, 1 << i) << i);
    return rounds * matmul_cycles(p, kernel);
}

/* p with C cut into `down` x `across` tasks: rows evenly, columns at panels. */
static Matmul matmul_cut(Matmul p, const MatmulKernel *kernel, int64_t down, int64_t across)
{
    int64_t panel = 2 * kernel->lanes;
    p.rows = matmul_parts(p.m, down);
    p.columns = panel * matmul_parts(matmul_parts(p.n, panel), across);
    p.across = matmul_parts(p.n, p.columns);
    p.tasks = p.across * matmul_parts(p.m, p.rows);
    matmul_packing(&p, kernel);
    return p;
}

static void matmul_plan_tiles(Matmul *p, const MatmulKernel *kernel)
{
    int64_t panel = 2 * kernel->lanes, size = kernel->size, tries = 8;
    p->depth = matmul_less(MATMUL_DEPTH, MATMUL_PANEL / (panel * size));
    p->depth = matmul_parts(p->k, matmul_parts(p->k, p->depth));
    int64_t down = matmul_parts(p->m, MATMUL_BLOCK / (p->depth * size));
    int64_t across = matmul_parts(p->n, MATMUL_COLUMNS);
    Matmul best = matmul_cut(*p, kernel, down, across);
    for (int64_t i = down; i < down + tries && i <= p->m; i++)
        for (int64_t j = across; j < across + tries && j <= matmul_parts(p->n, panel); j++) {
            Matmul cut = matmul_cut(*p, kernel, i, j);
            if (matmul_score(&cut, kernel) < matmul_score(&best, kernel)) best = cut;
        }
    *p = best;
    p->scratch = (size_t)(size * p->depth * (panel + (p->pack_a ? p->rows : 0)));
}

/* One row or column of C: cut at whole groups of vectors, so that every task but the last has only full ones. */
static void matmul_plan_line(Matmul *p, const MatmulKernel *kernel)
{
    int64_t group = MATMUL_SUMS_WIDE * kernel->lanes, outputs = p->m == 1 ? p->n : p->m;
    int64_t part = group * matmul_parts(MATMUL_LINE_TASK, p->k * group);
    p->rows = p->m == 1 ? 1 : part;
    p->columns = p->m == 1 ? part : 1;
    p->across = matmul_parts(p->n, p->columns);
    p->tasks = matmul_parts(outputs, part);
    p->depth = p->k;
    p->scratch = p->way == MATMUL_DOTS ? (size_t)(p->k * kernel->size) : 0;
}

static MatmulWay matmul_choose(const Matmul *p)
{
    if (p->k == 0 || p->m * p->n * p->k <= MATMUL_LITTLE) return MATMUL_SMALL;
    if (p->m > 1 && p->n > 1) return MATMUL_TILES;
    if ((p->m == 1 ? p->b_row : p->a_column) == 1) return MATMUL_DOTS;
    if ((p->m == 1 ? p->b_column : p->a_row) == 1) return MATMUL_SUMS;
    return MATMUL_TILES;
}

static const MatmulKernel *matmul_kernel(const Matmul *p)
{
    return matmul_kernels[p->type][p->isa];
}

void matmul_plan(Matmul *p)
{
    const MatmulKernel *kernel = matmul_kernel(p);
    assert(kernel && "no kernel for this instruction set in this build");
    p->way = matmul_choose(p);
    p->rows = p->m;
    p->columns = p->n;
    p->across = 1;
    p->tasks = p->m > 0 && p->n > 0;
    p->scratch = 0;
    p->depth = p->k;
    p->pack_a = p->pack_b = false;
    if (!p->tasks) return;
    if (p->way == MATMUL_SMALL) p->scratch = (size_t)(p->k * (p->m > p->n ? p->m : p->n) * kernel->size);
    if (p->way == MATMUL_TILES) matmul_plan_tiles(p, kernel);
    if (p->way == MATMUL_DOTS || p->way == MATMUL_SUMS) matmul_plan_line(p, kernel);
}

Matmul matmul_smaller(const Matmul *p, int64_t m, int64_t n, int64_t k)
{
    Matmul less = *p;
    less.m = m, less.n = n, less.k = k;
    if (!p->tasks) return less;
    less.across = matmul_parts(n, p->columns);
    less.tasks = less.across * matmul_parts(m, p->rows);
    return less;
}

/* ---- Tasks ------------------------------------------------------------------------------------------------------ */

MatmulTile matmul_tile(const Matmul *p, int64_t task)
{
    MatmulTile tile = {.row = task / p->across * p->rows, .column = task % p->across * p->columns};
    tile.rows = matmul_less(p->rows, p->m - tile.row);
    tile.columns = matmul_less(p->columns, p->n - tile.column);
    return tile;
}

static const void *matmul_at(const MatmulKernel *kernel, const void *from, int64_t element)
{
    return (const char *)from + element * kernel->size;
}

/* The tile as a line: with one row B is the matrix and A is x, with one column the reverse. */
static MatmulLine matmul_line(const Matmul *p, const MatmulKernel *kernel, MatmulTile tile, const void *a,
                              const void *b, void *c)
{
    MatmulLine l = {.depth = p->k, .add = p->add};
    l.to = (char *)c + (tile.row * p->c_row + tile.column) * kernel->size;
    if (p->m == 1) {
        l.matrix = matmul_at(kernel, b, tile.column * p->b_column);
        l.x = a;
        l.outputs = tile.columns;
        l.output = p->b_column, l.along = p->b_row, l.x_step = p->a_column, l.to_step = 1;
    } else {
        l.matrix = matmul_at(kernel, a, tile.row * p->a_row);
        l.x = b;
        l.outputs = tile.rows;
        l.output = p->a_row, l.along = p->a_column, l.x_step = p->b_row, l.to_step = p->c_row;
    }
    return l;
}

void matmul_task(const Matmul *p, const void *a, const void *b, void *c, int64_t task, void *scratch)
{
    const MatmulKernel *kernel = matmul_kernel(p);
    MatmulTile tile = matmul_tile(p, task);
    if (p->way == MATMUL_SMALL) {
        kernel->small(p, a, b, c, scratch);
    } else if (p->way == MATMUL_TILES) {
        kernel->tiles(p, tile, a, b, c, scratch);
    } else {
        MatmulLine l = matmul_line(p, kernel, tile, a, b, c);
        (p->way == MATMUL_DOTS ? kernel->dots : kernel->sums)(&l, scratch);
    }
}

/* ---- The reference ---------------------------------------------------------------------------------------------- */

static double matmul_element(MatmulType type, const void *from, int64_t i)
{
    return type == MATMUL_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

void matmul_reference(const Matmul *p, const void *a, const void *b, void *c)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            int64_t to = i * p->c_row + j;
            double sum = p->add ? matmul_element(p->type, c, to) : 0;
            for (int64_t q = 0; q < p->k; q++)
                sum += matmul_element(p->type, a, i * p->a_row + q * p->a_column) *
                       matmul_element(p->type, b, q * p->b_row + j * p->b_column);
            if (p->type == MATMUL_F32)
                ((float *)c)[to] = (float)sum;
            else
                ((double *)c)[to] = sum;
        }
}
