/* pool.c: max pooling: where the largest element of each window stands, and the elements at such places. A task has some
 * planes. Called through kernel.h by run.c. */
#include "cpu/kernel.h"

#include "graph/sliding.h"

#include <math.h>
#include <string.h>

enum { POOL_TASK = 8192 }; /* elements of a task, about */

/* Rows of a plane of x that a row of windows sees: where they begin. */
typedef struct PoolRows {
    int64_t count, *row;
} PoolRows;

typedef struct Pool Pool;
/* Where the largest stand in a row of windows. */
typedef void PoolRow(const Pool *p, const PoolRows *rows, const void *plane, int32_t *at);

struct Pool {
    Kernel kernel;
    int64_t planes, a_task; /* in all, and in a task */
    int64_t in, out;        /* elements of a plane of x and of the result */
    Sliding axis[SLIDING_AXES];
    int64_t begin, end; /* windows of a row that lie within x */
    PoolRow *run;
};

#define POOL_NAME(x) x##_f32_base
#define POOL_REAL    float
#define POOL_WHOLE   int32_t
#define POOL_BYTES   16
#define POOL_TARGET
#define POOL_SECOND(a, b) __builtin_shufflevector(a, b, 0, 2, 5, 7)
#include "cpu/pool.inc"

#define POOL_NAME(x) x##_f64_base
#define POOL_REAL    double
#define POOL_WHOLE   int64_t
#define POOL_BYTES   16
#define POOL_TARGET
#define POOL_SECOND(a, b) __builtin_shufflevector(a, b, 0, 3)
#include "cpu/pool.inc"

#if ISA_X86
#define POOL_NAME(x)      x##_f32_avx2
#define POOL_REAL         float
#define POOL_WHOLE        int32_t
#define POOL_BYTES        32
#define POOL_TARGET       ISA_TARGET_AVX2
#define POOL_SECOND(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 9, 11, 13, 15)
#include "cpu/pool.inc"

#define POOL_NAME(x)      x##_f64_avx2
#define POOL_REAL         double
#define POOL_WHOLE        int64_t
#define POOL_BYTES        32
#define POOL_TARGET       ISA_TARGET_AVX2
#define POOL_SECOND(a, b) __builtin_shufflevector(a, b, 0, 2, 5, 7)
#include "cpu/pool.inc"

#define POOL_NAME(x) x##_f32_avx512
#define POOL_REAL    float
#define POOL_WHOLE   int32_t
#define POOL_BYTES   64
#define POOL_TARGET  ISA_TARGET_AVX512
#define POOL_SECOND(a, b)                                                                                    \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31)
#include "cpu/pool.inc"

#define POOL_NAME(x)      x##_f64_avx512
#define POOL_REAL         double
#define POOL_WHOLE        int64_t
#define POOL_BYTES        64
#define POOL_TARGET       ISA_TARGET_AVX512
#define POOL_SECOND(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 9, 11, 13, 15)
#include "cpu/pool.inc"
#endif

static PoolRow *const pool_kernels[][ISA_COUNT] = {
    [DTYPE_F32] = {[ISA_BASE] = pool_row_f32_base,
#if ISA_X86
                   [ISA_AVX2] = pool_row_f32_avx2,
                   [ISA_AVX512] = pool_row_f32_avx512
#endif
    },
    [DTYPE_F64] = {[ISA_BASE] = pool_row_f64_base,
#if ISA_X86
                   [ISA_AVX2] = pool_row_f64_avx2,
                   [ISA_AVX512] = pool_row_f64_avx512
#endif
    },
};

static int64_t pool_end(const Pool *p, int64_t task)
{
    int64_t end = (task + 1) * p->a_task;
    return end < p->planes ? end : p->planes;
}

static Pool *pool_new(const Program *program, Instruction *i, KernelRun *run, const Shape *x,
                      const Shape *result)
{
    Pool *p = i->detail = arena_new(program->arena, 1, sizeof *p);
    p->kernel.run = run;
    p->planes = x->dim[0] * x->dim[1];
    p->in = p->out = 1;
    for (int a = 2; a < x->rank; a++)
        p->in *= x->dim[a], p->out *= result->dim[a];
    p->a_task = 1 + POOL_TASK / (p->in + p->out);
    i->tasks = (p->planes + p->a_task - 1) / p->a_task;
    return p;
}

/* ---- Where the largest stand ----------------------------------------------------------------------------------- */

/* The rows that windows at i and j of the first two axes see. */
static void pool_rows(const Pool *p, int64_t i, int64_t j, PoolRows *rows)
{
    const Sliding *deep = &p->axis[0], *high = &p->axis[1];
    rows->count = 0;
    for (int64_t k = 0; k < deep->taps; k++)
        for (int64_t l = 0; l < high->taps; l++) {
            int64_t z = sliding_at(deep, i, k), y = sliding_at(high, j, l);
            if (z >= 0 && z < deep->in && y >= 0 && y < high->in)
                rows->row[rows->count++] = (z * high->in + y) * p->axis[2].in;
        }
}

static void pool_argmax_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Pool *p = i->detail;
    int64_t size = (int64_t)type_bytes(TYPE_REAL, f->program->dtype), begin = task * p->a_task;
    const char *x = frame_pointer(f, &i->read[0]);
    int32_t *at = frame_pointer(f, &i->write[0]);
    PoolRows rows = {.row = (int64_t *)(void *)f->scratch};
    for (int64_t deep = 0; deep < p->axis[0].out; deep++)
        for (int64_t high = 0; high < p->axis[1].out; high++) {
            int64_t to = (deep * p->axis[1].out + high) * p->axis[2].out;
            pool_rows(p, deep, high, &rows);
            for (int64_t n = begin; n < pool_end(p, task); n++)
                p->run(p, &rows, x + n * p->in * size, at + n * p->out + to);
        }
}

void pool_argmax_prepare(Program *program, Instruction *i, Isa isa)
{
    Pool *p = pool_new(program, i, pool_argmax_run, &i->read[0].shape, &i->write[0].shape);
    sliding_pool(&i->read[0].shape, i->attribute, p->axis);
    p->run = pool_kernels[program->dtype][isa];
    const Sliding *s = &p->axis[2];
    while (p->begin < s->out && sliding_at(s, p->begin, 0) < 0)
        p->begin++;
    for (p->end = s->out; p->end > p->begin && sliding_at(s, p->end - 1, s->taps - 1) >= s->in;)
        p->end--;
    i->scratch = (size_t)(p->axis[0].taps * p->axis[1].taps) * sizeof(int64_t);
}

/* ---- The elements there ---------------------------------------------------------------------------------------- */

static void pool_take_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Pool *p = i->detail;
    const void *x = frame_pointer(f, &i->read[0]);
    const int32_t *at = frame_pointer(f, &i->read[1]);
    void *y = frame_pointer(f, &i->write[0]);
    bool wide = f->program->dtype == DTYPE_F64;
    for (int64_t n = task * p->a_task; n < pool_end(p, task); n++)
        for (int64_t k = n * p->out; k < (n + 1) * p->out; k++) {
            int64_t from = at[k] < 0 ? 0 : at[k] >= p->in ? p->in - 1 : at[k];
            if (wide)
                ((double *)y)[k] = ((const double *)x)[n * p->in + from];
            else
                ((float *)y)[k] = ((const float *)x)[n * p->in + from];
        }
}

void pool_take_prepare(Program *program, Instruction *i, Isa isa)
{
    (void)isa;
    pool_new(program, i, pool_take_run, &i->read[0].shape, &i->write[0].shape);
}

/* Planes of y take the elements of planes of x. */
static void pool_put_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Pool *p = i->detail;
    const void *x = frame_pointer(f, &i->read[0]);
    const int32_t *at = frame_pointer(f, &i->read[1]);
    char *y = frame_pointer(f, &i->write[0]);
    bool wide = f->program->dtype == DTYPE_F64;
    size_t size = wide ? sizeof(double) : sizeof(float);
    for (int64_t n = task * p->a_task; n < pool_end(p, task); n++) {
        char *plane = y + (size_t)(n * p->out) * size;
        memset(plane, 0, (size_t)p->out * size);
        for (int64_t k = n * p->in; k < (n + 1) * p->in; k++) {
            if (at[k] < 0 || at[k] >= p->out) continue;
            if (wide)
                ((double *)(void *)plane)[at[k]] += ((const double *)x)[k];
            else
                ((float *)(void *)plane)[at[k]] += ((const float *)x)[k];
        }
    }
}

void pool_put_prepare(Program *program, Instruction *i, Isa isa)
{
    (void)isa;
    pool_new(program, i, pool_put_run, &i->read[0].shape, &i->write[0].shape);
}
