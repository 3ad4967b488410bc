/* pool.c: max pooling: where the largest element of each window stands, and the elements at such places. A task has some
 * planes. Called through kernel.h by run.c. */
#include "cpu/kernel.h"

#include "graph/sliding.h"

#include <math.h>
#include <string.h>

enum { POOL_TASK = 8192 }; /* elements of a task, about */

/* The windows that see x through one tap of the last axis, without padding: the first, how many, and the element of a
 * row of x that the first sees. */
typedef struct PoolSpan {
    int64_t begin, count, x;
} PoolSpan;

typedef struct Pool Pool;
typedef void PoolArgmax(const Pool *p, const void *plane, int32_t *at, void *most);

struct Pool {
    Kernel kernel;
    int64_t planes, a_task; /* in all, and in a task */
    int64_t in, out;        /* elements of a plane of x and of the result */
    Sliding axis[SLIDING_AXES];
    PoolSpan *span;       /* for each tap of the last axis */
    const int64_t *start; /* for each window of the last axis: the first element that it sees */
    PoolArgmax *argmax;
};

#define POOL_NAME(x) x##_f32_base
#define POOL_REAL    float
#define POOL_TARGET
#include "cpu/pool.inc"

#define POOL_NAME(x) x##_f64_base
#define POOL_REAL    double
#define POOL_TARGET
#include "cpu/pool.inc"

#if ISA_X86
#define POOL_NAME(x) x##_f32_avx2
#define POOL_REAL    float
#define POOL_TARGET  ISA_TARGET_AVX2
#include "cpu/pool.inc"

#define POOL_NAME(x) x##_f64_avx2
#define POOL_REAL    double
#define POOL_TARGET  ISA_TARGET_AVX2
#include "cpu/pool.inc"

#define POOL_NAME(x) x##_f32_avx512
#define POOL_REAL    float
#define POOL_TARGET  ISA_TARGET_AVX512
#include "cpu/pool.inc"

#define POOL_NAME(x) x##_f64_avx512
#define POOL_REAL    double
#define POOL_TARGET  ISA_TARGET_AVX512
#include "cpu/pool.inc"
#endif

static PoolArgmax *const pool_kernels[][ISA_COUNT] = {
    [DTYPE_F32] = {[ISA_BASE] = pool_argmax_f32_base,
#if ISA_X86
                   [ISA_AVX2] = pool_argmax_f32_avx2,
                   [ISA_AVX512] = pool_argmax_f32_avx512
#endif
    },
    [DTYPE_F64] = {[ISA_BASE] = pool_argmax_f64_base,
#if ISA_X86
                   [ISA_AVX2] = pool_argmax_f64_avx2,
                   [ISA_AVX512] = pool_argmax_f64_avx512
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

static void pool_argmax_run(const Frame *f, const Instruction *i, int64_t task)
{
    const Pool *p = i->detail;
    int64_t size = (int64_t)type_bytes(TYPE_REAL, f->program->dtype);
    const char *x = frame_pointer(f, &i->read[0]);
    int32_t *at = frame_pointer(f, &i->write[0]);
    for (int64_t n = task * p->a_task; n < pool_end(p, task); n++)
        p->argmax(p, x + n * p->in * size, at + n * p->out, f->scratch);
}

/* What each tap of the last axis sees of a row, and each window first. */
static void pool_spans(const Program *program, Pool *p)
{
    const Sliding *s = &p->axis[2];
    p->span = arena_new(program->arena, (size_t)s->taps, sizeof *p->span);
    int64_t *start = arena_new(program->arena, (size_t)s->out, sizeof *start);
    for (int64_t n = 0; n < s->out; n++)
        start[n] = -1;
    for (int64_t tap = 0; tap < s->taps; tap++) {
        PoolSpan *to = &p->span[tap];
        for (int64_t n = 0; n < s->out; n++) {
            int64_t x = sliding_at(s, n, tap);
            if (x < 0 || x >= s->in) continue;
            if (!to->count++) to->begin = n, to->x = x;
            if (start[n] < 0) start[n] = x;
        }
    }
    p->start = start;
}

void pool_argmax_prepare(const Program *program, Instruction *i, Isa isa)
{
    Pool *p = pool_new(program, i, pool_argmax_run, &i->read[0].shape, &i->write[0].shape);
    sliding_pool(&i->read[0].shape, i->attribute, p->axis);
    p->argmax = pool_kernels[program->dtype][isa];
    pool_spans(program, p);
    i->scratch = (size_t)p->axis[2].out * type_bytes(TYPE_REAL, program->dtype);
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

void pool_take_prepare(const Program *program, Instruction *i, Isa isa)
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

void pool_put_prepare(const Program *program, Instruction *i, Isa isa)
{
    (void)isa;
    pool_new(program, i, pool_put_run, &i->read[0].shape, &i->write[0].shape);
}
