/* group.c: runs fused groups, chunk by chunk: loads into registers, steps, stores and reductions while the chunk is
 * in the first-level cache. Any group runs here, step by step; where the build has generated a kernel for the steps, it
 * takes their place and gives the same bits. A chunk's length depends on shapes alone, and reductions add chunks in a
 * fixed order, so the bits never depend on threads.
 *
 * What is loaded and stored where it stands, what is loaded once for all chunks of a task, where everything is in the
 * scratch memory: all that is settled when the instruction is prepared, since small nets spend their time on it. */
#include "cpu/kernel.h"

#include "codegen/fused.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VECTOR_MOST = 64, CHUNK = 512, GROUP_CHUNKS = 8, GROUP_TASK = GROUP_CHUNKS * CHUNK, GROUP_FLUSH = 32 };

typedef enum LoadWay {
    LOADS_DIRECT, /* where it stands */
    LOADS_NUMBER, /* one number for all */
    LOADS_ONE,    /* likewise, of a tensor */
    LOADS_REPEAT, /* rows that are all the same, whole ones in every chunk */
    LOADS_SPREAD, /* rows of one number each, neighbours; likewise */
    LOADS_RUNS    /* whatever strides say, run by run */
} LoadWay;

/* Groups have few members (plan/fuse.c), so small numbers do for what counts them. */
typedef struct LoadKernel {
    LoadWay way;
    int16_t at;      /* of the chunk's pointers: the one to what is loaded */
    int16_t buffer;  /* where that is if it is copied */
    int64_t columns; /* length of a row; of a number: is it read by stores or reductions? */
} LoadKernel;

typedef struct StepKernel {
    void (*run)(void); /* ElementF32, ElementF64 or their scalar forms */
    int16_t scalars;   /* operands that are one number */
    int16_t store;     /* the store that this step writes to directly, or -1 */
    int16_t to,
        from[3]; /* of a small group: the pointers to where it writes and what it reads; -1: nothing */
} StepKernel;

/* A part of a group that is small: rows copied before the steps, or a reduction after them. */
typedef void SmallRun(float *to, const float *from, size_t rows, size_t n);

typedef struct SmallPart {
    int from, to; /* pointers */
    SmallRun *run;
    size_t rows, n;
} SmallPart;

typedef struct Small {
    int inputs, reductions;
    SmallPart *input, *reduction;
} Small;

typedef struct GroupKernel {
    Kernel kernel;
    const Elements *elements;
    bool wide;   /* f64 */
    size_t size; /* of a real */
    LoadKernel *load;
    StepKernel *step;
    const FusedKernel *fused;      /* all steps at once, or NULL */
    FusedOutputs outputs;          /* of it */
    int *output_store;             /* by output: the store it writes to directly, or -1 */
    bool *stored;                  /* by store: a step writes there directly */
    int16_t *store_at, *reduce_at; /* of the chunk's pointers: what a store or reduction reads */
    int64_t chunk;                 /* elements */
    int64_t whole;                 /* steps may go on to a multiple of so many elements */
    int64_t rows_a_task;           /* of reductions along the inner axis */
    int64_t blocks;                /* of inner columns in a reduction across them */
    size_t register_bytes, totals, sums, pointers; /* sizes and offsets in the scratch memory */
    Small small;
} GroupKernel;

/* A chunk in the making. */
typedef struct Chunk {
    const Frame *frame;
    const Group *group;
    const GroupKernel *kernel;
    void **at;      /* where each register is; with a generated kernel, its inputs and then its outputs */
    char *buffer;   /* for each of them */
    double *totals; /* [reduces][CHUNK] */
    char *sums;     /* [reduces][CHUNK] reals, and room behind them */
} Chunk;

static void *chunk_buffer(const Chunk *c, int at)
{
    return c->buffer + (size_t)at * c->kernel->register_bytes;
}

static double chunk_number(const Frame *f, const View *v)
{
    return *(const double *)frame_pointer(f, v);
}

/* ---- Loads ---- */

static void real_set(void *to, int64_t index, double value, bool wide)
{
    if (wide)
        ((double *)to)[index] = value;
    else
        ((float *)to)[index] = (float)value;
}

static void run_random(const Chunk *c, const GroupLoad *load, void *to, int64_t at, int64_t n)
{
    const Elements *e = c->kernel->elements;
    uint64_t seed = (uint64_t)(int64_t)chunk_number(c->frame, &load->from), site = load->site,
             first = (uint64_t)at;
    if (c->kernel->wide)
        (load->kind == LOAD_UNIFORM ? e->uniform_f64 : e->normal_f64)(to, seed, site, first, (size_t)n);
    else
        (load->kind == LOAD_UNIFORM ? e->uniform_f32 : e->normal_f32)(to, seed, site, first, (size_t)n);
}

static double element_get(const void *from, Type type, int64_t at, bool wide)
{
    switch (type) {
    case TYPE_I32:
        return ((const int32_t *)from)[at];
    case TYPE_U8:
        return ((const uint8_t *)from)[at];
    case TYPE_SCALAR:
        return ((const double *)from)[at];
    default:
        return wide ? ((const double *)from)[at] : (double)((const float *)from)[at];
    }
}

/* n neighbouring elements, converted. */
static void run_dense(const Chunk *c, Type type, const void *from, void *to, int64_t at, int64_t n)
{
    const Elements *e = c->kernel->elements;
    bool wide = c->kernel->wide;
    if (type == TYPE_REAL)
        memcpy(to, (const char *)from + (size_t)at * c->kernel->size, (size_t)n * c->kernel->size);
    else if (type == TYPE_U8 && wide)
        e->u8_to_f64(to, (const uint8_t *)from + at, (size_t)n);
    else if (type == TYPE_U8)
        e->u8_to_f32(to, (const uint8_t *)from + at, (size_t)n);
    else if (wide)
        e->i32_to_f64(to, (const int32_t *)from + at, (size_t)n);
    else
        e->i32_to_f32(to, (const int32_t *)from + at, (size_t)n);
}

/* One element repeated, or every stride-th. */
static void run_strided(const Chunk *c, Type type, const void *from, void *to, int64_t at, int64_t stride,
                        int64_t n)
{
    bool wide = c->kernel->wide;
    if (type == TYPE_REAL && !wide) {
        const float *x = (const float *)from + at;
        float *y = to;
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i * stride];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        real_set(to, i, element_get(from, type, at + i * stride, wide), wide);
}

static void load_run(const Chunk *c, const GroupLoad *load, const void *from, void *to, int64_t at,
                     int64_t stride, int64_t n)
{
    bool wide = c->kernel->wide;
    if (load->kind == LOAD_TENSOR && stride == 1)
        run_dense(c, load->from.type, from, to, at, n);
    else if (load->kind == LOAD_TENSOR)
        run_strided(c, load->from.type, from, to, at, stride, n);
    else if (load->kind == LOAD_IOTA)
        for (int64_t i = 0; i < n; i++)
            real_set(to, i, (double)(at + i * stride), wide);
    else if (stride == 1)
        run_random(c, load, to, at, n);
    else
        for (int64_t i = 0; i < n; i++)
            run_random(c, load, (char *)to + (size_t)i * c->kernel->size, at + i * stride, 1);
}

/* A walk over elements [start, start + n) of the space, run by run along the last axis. */
typedef struct Runs {
    const Shape *space;
    const int64_t *stride;
    int64_t coordinate[RANK_MAX], at, left;
} Runs;

static Runs runs_begin(const View *v, int64_t start, int64_t n)
{
    Runs r = {.space = &v->shape, .stride = v->stride, .left = n};
    r.at = shape_locate(&v->shape, start, v->stride, r.coordinate);
    return r;
}

/* The length of the next run, 0 at the end; *at is its offset. */
static int64_t runs_next(Runs *r, int64_t *at)
{
    if (!r->left) return 0;
    *at = r->at;
    int a = r->space->rank - 1;
    if (a < 0) return r->left = 0, 1;
    int64_t n = r->space->dim[a] - r->coordinate[a];
    if (n > r->left) n = r->left;
    r->left -= n;
    r->coordinate[a] += n;
    r->at += n * r->stride[a];
    while (a > 0 && r->coordinate[a] == r->space->dim[a]) {
        r->at += r->stride[a - 1] - r->coordinate[a] * r->stride[a];
        r->coordinate[a--] = 0;
        r->coordinate[a]++;
    }
    return n;
}

static int64_t last_stride(const View *v)
{
    return v->shape.rank ? v->stride[v->shape.rank - 1] : 1;
}

static void load_repeat(const Chunk *c, const void *from, void *to, int64_t rows, int64_t columns)
{
    const Elements *e = c->kernel->elements;
    if (c->kernel->wide)
        e->repeat_f64(to, from, (size_t)rows, (size_t)columns);
    else
        e->repeat_f32(to, from, (size_t)rows, (size_t)columns);
}

static void load_spread(const Chunk *c, const void *from, void *to, int64_t rows, int64_t columns)
{
    const Elements *e = c->kernel->elements;
    if (c->kernel->wide)
        e->spread_f64(to, from, (size_t)rows, (size_t)columns);
    else
        e->spread_f32(to, from, (size_t)rows, (size_t)columns);
}

static void load_runs(const Chunk *c, const GroupLoad *load, char *to, int64_t start, int64_t n)
{
    const char *from = load->kind == LOAD_TENSOR ? frame_pointer(c->frame, &load->from) : NULL;
    int64_t base = load->kind == LOAD_IOTA ? load->from.offset : 0, at, length;
    Runs runs = runs_begin(&load->from, start, n);
    while ((length = runs_next(&runs, &at))) {
        load_run(c, load, from, to, base + at, last_stride(&load->from), length);
        to += (size_t)length * c->kernel->size;
    }
}

/* What differs from chunk to chunk. */
static void chunk_load(const Chunk *c, int index, int64_t start, int64_t n)
{
    const GroupLoad *load = &c->group->load[index];
    const LoadKernel *k = &c->kernel->load[index];
    switch (k->way) {
    case LOADS_DIRECT:
        c->at[k->at] = (char *)frame_pointer(c->frame, &load->from) + (size_t)start * c->kernel->size;
        break;
    case LOADS_SPREAD:
        load_spread(c,
                    (char *)frame_pointer(c->frame, &load->from) +
                        (start ? start / k->columns : 0) * (int64_t)c->kernel->size,
                    c->at[k->at] = chunk_buffer(c, k->buffer), n / k->columns, k->columns);
        break;
    case LOADS_RUNS:
        load_runs(c, load, c->at[k->at] = chunk_buffer(c, k->buffer), start, n);
        break;
    case LOADS_ONE:
    case LOADS_REPEAT:
        c->at[k->at] = chunk_buffer(c, k->buffer); /* a step may have taken its place */
        break;
    default:
        break;
    }
}

/* A number: steps want one, stores and reductions a whole chunk of it. */
static void load_number(const Chunk *c, int index, int64_t n)
{
    const void *from = frame_pointer(c->frame, &c->group->load[index].from);
    const LoadKernel *k = &c->kernel->load[index];
    if (c->kernel->fused) {
        c->at[k->at] = (void *)(uintptr_t)from;
        return;
    }
    double number = 0;
    real_set(&number, 0, *(const double *)from, c->kernel->wide);
    load_spread(c, &number, c->at[k->at] = chunk_buffer(c, k->buffer), 1, k->columns ? n : 1);
}

/* What is the same for all chunks of a task, none of them longer than n. */
static void chunk_load_once(const Chunk *c, int index, int64_t n)
{
    const LoadKernel *k = &c->kernel->load[index];
    const View *from = &c->group->load[index].from;
    if (k->way == LOADS_NUMBER)
        load_number(c, index, n);
    else if (k->way == LOADS_ONE)
        load_spread(c, frame_pointer(c->frame, from), chunk_buffer(c, k->buffer), 1, n);
    else if (k->way == LOADS_REPEAT)
        load_repeat(c, frame_pointer(c->frame, from), chunk_buffer(c, k->buffer), n / k->columns, k->columns);
}

/* ---- Steps ---- */

static void *store_pointer(const Chunk *c, int store, int64_t start)
{
    return (char *)frame_pointer(c->frame, &c->group->store[store].to) + (size_t)start * c->kernel->size;
}

static void chunk_step(const Chunk *c, int index, int64_t start, int64_t n)
{
    const GroupStep *step = &c->group->step[index];
    const StepKernel *k = &c->kernel->step[index];
    void *y = k->store >= 0 ? store_pointer(c, k->store, start) : chunk_buffer(c, step->target);
    void *x[3] = {0};
    for (int i = 0; i < 3 && step->source[i] >= 0; i++)
        x[i] = c->at[step->source[i]];
    c->at[step->target] = y;
    size_t m = (size_t)n;
    if (c->kernel->wide) {
        if (k->scalars)
            ((ElementScalarF64 *)k->run)(y, x[0], x[1], x[2], m, k->scalars);
        else
            ((ElementF64 *)k->run)(y, x[0], x[1], x[2], m);
    } else {
        if (k->scalars)
            ((ElementScalarF32 *)k->run)(y, x[0], x[1], x[2], m, k->scalars);
        else
            ((ElementF32 *)k->run)(y, x[0], x[1], x[2], m);
    }
}

/* All steps by one generated kernel. */
static void chunk_fused(const Chunk *c, int64_t start, int64_t n)
{
    const GroupKernel *k = c->kernel;
    void **y = c->at + c->group->loads;
    for (int i = 0; i < k->outputs.count; i++)
        if (k->output_store[i] >= 0) y[i] = store_pointer(c, k->output_store[i], start);
    k->fused->run((float *const *)(void *)y, (const void *const *)c->at, (size_t)n);
}

/* ---- Stores ---- */

static void store_dense(const Chunk *c, Type type, const void *from, void *to, size_t n)
{
    const Elements *e = c->kernel->elements;
    bool wide = c->kernel->wide;
    if (type == TYPE_REAL)
        memmove(to, from, n * c->kernel->size);
    else if (type == TYPE_I32)
        wide ? e->f64_to_i32(to, from, n) : e->f32_to_i32(to, from, n);
    else
        wide ? e->f64_to_u8(to, from, n) : e->f32_to_u8(to, from, n);
}

static void chunk_store(const Chunk *c, int index, int64_t start, int64_t n)
{
    const GroupStore *s = &c->group->store[index];
    size_t size = s->to.type == TYPE_REAL ? c->kernel->size : type_bytes(s->to.type, DTYPE_F32);
    const char *from = c->at[c->kernel->store_at[index]];
    char *to = frame_pointer(c->frame, &s->to);
    int64_t at, length, stride = last_stride(&s->to);
    Runs runs = runs_begin(&s->to, start, n);
    while ((length = runs_next(&runs, &at))) {
        if (stride == 1 || length == 1)
            store_dense(c, s->to.type, from, to + (size_t)at * size, (size_t)length);
        else
            for (int64_t i = 0; i < length; i++)
                store_dense(c, s->to.type, from + (size_t)i * c->kernel->size,
                            to + (size_t)(at + i * stride) * size, 1);
        from += (size_t)length * c->kernel->size;
    }
}

/* The elements [start, start + n) of the space, n at most a chunk. */
static void chunk_run(const Chunk *c, int64_t start, int64_t n)
{
    const GroupKernel *k = c->kernel;
    int64_t m = k->whole > 1 ? (n + k->whole - 1) / k->whole * k->whole : n;
    for (int i = 0; i < c->group->loads; i++)
        chunk_load(c, i, start, n);
    if (k->fused)
        chunk_fused(c, start, m);
    else
        for (int i = 0; i < c->group->steps; i++)
            chunk_step(c, i, start, m);
    for (int i = 0; i < c->group->stores; i++)
        if (!k->stored[i]) chunk_store(c, i, start, n);
}

/* For chunks of at most n elements. */
static Chunk chunk_begin(const Frame *f, const Instruction *i, int64_t n)
{
    const GroupKernel *k = i->detail;
    const Group *g = i->group;
    Chunk c = {.frame = f, .group = g, .kernel = k, .buffer = f->scratch};
    c.totals = (double *)(void *)(f->scratch + k->totals);
    c.sums = f->scratch + k->sums;
    c.at = (void **)(void *)(f->scratch + k->pointers);
    for (int l = 0; l < g->loads; l++)
        chunk_load_once(&c, l, n);
    for (int o = 0; o < k->outputs.count; o++)
        if (k->output_store[o] < 0) c.at[g->loads + o] = chunk_buffer(&c, g->loads + o);
    return c;
}

/* ---- Groups without reductions ---- */

static void group_map(const Frame *f, const Instruction *i, int64_t task)
{
    int64_t chunk = ((const GroupKernel *)i->detail)->chunk, most = i->group->inner;
    int64_t start = task * GROUP_CHUNKS * chunk, end = start + GROUP_CHUNKS * chunk;
    if (end > most) end = most;
    Chunk c = chunk_begin(f, i, most < chunk ? most : chunk);
    for (; start < end; start += chunk)
        chunk_run(&c, start, end - start < chunk ? end - start : chunk);
}

/* ---- Small groups: one chunk of float, and all its parts are simple ---- */

static void small_steps(const Group *g, const GroupKernel *k, void *const *at)
{
    for (const StepKernel *s = k->step, *end = s + g->steps; s < end; s++) {
        const void *a = at[s->from[0]], *b = s->from[1] < 0 ? NULL : at[s->from[1]];
        const void *c = s->from[2] < 0 ? NULL : at[s->from[2]];
        if (s->scalars)
            ((ElementScalarF32 *)s->run)(at[s->to], a, b, c, (size_t)k->chunk, s->scalars);
        else
            ((ElementF32 *)s->run)(at[s->to], a, b, c, (size_t)k->chunk);
    }
}

/* A double, as often as asked for. */
static void small_number(float *to, const float *from, size_t rows, size_t n)
{
    double number;
    memcpy(&number, from, sizeof number);
    (void)rows;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)number;
}

static void group_small(const Frame *f, const Instruction *i, int64_t task)
{
    const GroupKernel *k = i->detail;
    const Small *s = &k->small;
    void **at = kernel_pointers(f, &k->kernel);
    (void)task;
    for (const SmallPart *p = s->input, *end = p + s->inputs; p < end; p++)
        p->run(at[p->to], at[p->from], p->rows, p->n);
    if (k->fused)
        k->fused->run((float *const *)(void *)(at + i->group->loads), (const void *const *)at,
                      (size_t)k->chunk);
    else
        small_steps(i->group, k, at);
    for (const SmallPart *p = s->reduction, *end = p + s->reductions; p < end; p++)
        p->run(at[p->to], at[p->from], p->rows, p->n);
}

/* ---- Reductions along the last axis: [outer, reduced] -> [outer] ---- */

static double reduce_nothing(OpCode op)
{
    return op == OP_sum ? 0 : -HUGE_VAL;
}

static double reduce_two(OpCode op, double a, double b)
{
    if (op == OP_sum) return a + b;
    return a > b || a != a ? a : b;
}

static double reduce_run(const Chunk *c, OpCode op, const void *x, int64_t n)
{
    const Elements *e = c->kernel->elements;
    if (c->kernel->wide) return (op == OP_sum ? e->sum_f64 : e->max_f64)(x, (size_t)n);
    return (double)(op == OP_sum ? e->sum_f32 : e->max_f32)(x, (size_t)n);
}

/* Result `index` of segment `segment`: rounded once, or a part that is combined later. */
static void reduce_write(const Chunk *c, const GroupReduce *r, int64_t segment, int64_t index, double value)
{
    void *to = frame_pointer(c->frame, &r->to);
    if (r->to.type == TYPE_SCALAR)
        ((double *)to)[segment * c->group->outer * c->group->inner + index] = value;
    else
        real_set(to, index, value, c->kernel->wide);
}

static void segment_range(const Group *g, int64_t segment, int64_t *from, int64_t *to)
{
    *from = g->reduced * segment / g->segments;
    *to = g->reduced * (segment + 1) / g->segments;
}

/* One long row, or a segment of it. */
static void reduce_long(Chunk *c, int64_t row, int64_t segment)
{
    const Group *g = c->group;
    int64_t from, to;
    segment_range(g, segment, &from, &to);
    for (int k = 0; k < g->reduces; k++)
        c->totals[k] = reduce_nothing(g->reduce[k].op);
    for (; from < to; from += CHUNK) {
        int64_t n = to - from < CHUNK ? to - from : CHUNK;
        chunk_run(c, row * g->reduced + from, n);
        for (int k = 0; k < g->reduces; k++) {
            const GroupReduce *r = &g->reduce[k];
            c->totals[k] =
                reduce_two(r->op, c->totals[k], reduce_run(c, r->op, c->at[c->kernel->reduce_at[k]], n));
        }
    }
    for (int k = 0; k < g->reduces; k++)
        reduce_write(c, &g->reduce[k], segment, row, c->totals[k]);
}

/* Short rows, as many as a chunk holds. */
static void reduce_short(Chunk *c, int64_t row, int64_t rows)
{
    const Group *g = c->group;
    size_t bytes = (size_t)g->reduced * c->kernel->size;
    if (g->reduced) chunk_run(c, row * g->reduced, rows * g->reduced);
    for (int k = 0; k < g->reduces; k++) {
        OpCode op = g->reduce[k].op;
        void *to = frame_pointer(c->frame, &g->reduce[k].to);
        const char *x = c->at[c->kernel->reduce_at[k]];
        for (int64_t i = 0; i < rows; i++, x += bytes)
            real_set(to, row + i, g->reduced ? reduce_run(c, op, x, g->reduced) : reduce_nothing(op),
                     c->kernel->wide);
    }
}

static void group_rows(const Frame *f, const Instruction *i, int64_t task)
{
    const GroupKernel *k = i->detail;
    const Group *g = i->group;
    if (g->segments > 1 || g->reduced > CHUNK) {
        Chunk c = chunk_begin(f, i, k->chunk);
        if (g->segments > 1) {
            reduce_long(&c, task / g->segments, task % g->segments);
            return;
        }
        for (int64_t row = task * k->rows_a_task; row < g->outer && row < (task + 1) * k->rows_a_task; row++)
            reduce_long(&c, row, 0);
        return;
    }
    int64_t row = task * k->rows_a_task, end = row + k->rows_a_task;
    if (end > g->outer) end = g->outer;
    int64_t together = g->reduced ? k->chunk / g->reduced : 1;
    Chunk c = chunk_begin(f, i, (end - row < together ? end - row : together) * g->reduced);
    for (; row < end; row += together)
        reduce_short(&c, row, end - row < together ? end - row : together);
}

/* ---- Reductions across: [outer, reduced, inner] -> [outer, inner], a block of columns at a time ---- */

static void column_add(const Chunk *c, OpCode op, void *sums, const void *x, int64_t rows, int64_t n)
{
    const Elements *e = c->kernel->elements;
    if (c->kernel->wide)
        (op == OP_sum ? e->sum_rows_f64 : e->max_rows_f64)(sums, x, (size_t)rows, (size_t)n);
    else
        (op == OP_sum ? e->sum_rows_f32 : e->max_rows_f32)(sums, x, (size_t)rows, (size_t)n);
}

static void *column_sums(const Chunk *c, int reduce)
{
    return c->sums + (size_t)reduce * (CHUNK * c->kernel->size + VECTOR_MOST);
}

static void column_clear(const Chunk *c, int64_t n)
{
    for (int k = 0; k < c->group->reduces; k++) {
        double number = 0;
        real_set(&number, 0, reduce_nothing(c->group->reduce[k].op), c->kernel->wide);
        load_spread(c, &number, column_sums(c, k), 1, n);
    }
}

/* Sums of a few rows go to the totals in double, so that many rows lose no digits. */
static void column_flush(Chunk *c, int64_t n, bool first)
{
    for (int k = 0; k < c->group->reduces; k++) {
        double *totals = c->totals + (size_t)k * CHUNK;
        for (int64_t j = 0; j < n; j++) {
            double sum = element_get(column_sums(c, k), TYPE_REAL, j, c->kernel->wide);
            totals[j] = first ? sum : reduce_two(c->group->reduce[k].op, totals[j], sum);
        }
    }
    column_clear(c, n);
}

/* The rows of a chunk, added one by one to the sums. Returns how many of them the totals lack; `since` lacked before. */
static int64_t column_chunk(Chunk *c, int64_t rows, int64_t n, int64_t since, bool *first)
{
    for (int64_t m = 0, part; m < rows; m += part) {
        part = rows - m < GROUP_FLUSH - since ? rows - m : GROUP_FLUSH - since;
        for (int k = 0; k < c->group->reduces; k++)
            column_add(c, c->group->reduce[k].op, column_sums(c, k),
                       (char *)c->at[c->kernel->reduce_at[k]] + (size_t)(m * n) * c->kernel->size, part, n);
        since += part;
        if (since < GROUP_FLUSH) continue;
        column_flush(c, n, *first);
        *first = false;
        since = 0;
    }
    return since;
}

/* Few rows need no totals: the sums are the result. */
static void column_end(Chunk *c, int64_t segment, int64_t index, int64_t n, bool few)
{
    size_t size = c->kernel->size;
    if (!few) column_flush(c, n, false);
    for (int k = 0; k < c->group->reduces; k++) {
        const GroupReduce *r = &c->group->reduce[k];
        if (few && r->to.type == TYPE_REAL)
            memcpy((char *)frame_pointer(c->frame, &r->to) + (size_t)index * size, column_sums(c, k),
                   (size_t)n * size);
        else
            for (int64_t j = 0; j < n; j++)
                reduce_write(c, r, segment, index + j,
                             few ? element_get(column_sums(c, k), TYPE_REAL, j, c->kernel->wide)
                                 : c->totals[(size_t)k * CHUNK + (size_t)j]);
    }
}

static void group_columns(const Frame *f, const Instruction *i, int64_t task)
{
    const GroupKernel *kernel = i->detail;
    const Group *g = i->group;
    int64_t segment = 0, block = 0, outer = 0, from = 0, to = g->reduced, since = 0;
    if (i->tasks > 1) {
        segment = task % g->segments, block = task / g->segments % kernel->blocks,
        outer = task / g->segments / kernel->blocks;
        segment_range(g, segment, &from, &to);
    }
    int64_t start = block * CHUNK, n = g->inner - start < CHUNK ? g->inner - start : CHUNK;
    int64_t together = n == g->inner ? kernel->chunk / n : 1;
    if (together > to - from) together = to - from;
    Chunk c = chunk_begin(f, i, together * n);
    bool first = true;
    column_clear(&c, n);
    for (int64_t row = from; row < to; row += together) {
        int64_t rows = to - row < together ? to - row : together;
        chunk_run(&c, (outer * g->reduced + row) * g->inner + start, rows * n);
        since = column_chunk(&c, rows, n, since, &first);
    }
    column_end(&c, segment, outer * g->inner + start, n, first);
}

/* ---- Preparing ---- */

static bool view_is_dense(const View *v)
{
    int64_t size = 1;
    for (int a = v->shape.rank - 1; a >= 0; a--) {
        if (v->shape.dim[a] > 1 && v->stride[a] != size) return false;
        size *= v->shape.dim[a];
    }
    return true;
}

/* Do stores or reductions read the register? */
static bool number_fills(const Group *g, int reg)
{
    for (int i = 0; i < g->stores; i++)
        if (g->store[i].source == reg) return true;
    for (int i = 0; i < g->reduces; i++)
        if (g->reduce[i].source == reg) return true;
    return false;
}

/* Stores and reductions read their registers when another store may have overwritten what was loaded. */
static bool load_is_overwritten(const Group *g, const GroupLoad *load)
{
    bool overwritten = false;
    for (int i = 0; i < g->stores; i++)
        overwritten |= g->store[i].to.slot == load->from.slot && load->from.slot != SLOT_WORK;
    return overwritten && number_fills(g, load->target);
}

/* The view's own axes: without those of one, and those together that are walked as one. */
static View view_joined(const View *v)
{
    View y = {.shape.rank = 0};
    for (int a = 0; a < v->shape.rank; a++) {
        int last = y.shape.rank - 1;
        int64_t dim = v->shape.dim[a], stride = v->stride[a];
        if (dim == 1) continue;
        if (last >= 0 && y.stride[last] == stride * dim) {
            y.shape.dim[last] *= dim;
            y.stride[last] = stride;
        } else {
            y.shape.dim[last + 1] = dim;
            y.stride[last + 1] = stride;
            y.shape.rank++;
        }
    }
    return y;
}

/* A view that does not stand as a chunk wants it. `unit` divides the start and the length of every chunk. */
static LoadKernel load_strided(const View *from, int64_t unit)
{
    View v = view_joined(from);
    if (v.shape.rank == 1 && v.stride[0] == 0) return (LoadKernel){.way = LOADS_ONE};
    int64_t columns = v.shape.rank == 2 ? v.shape.dim[1] : 0;
    if (!columns || unit % columns) return (LoadKernel){.way = LOADS_RUNS};
    if (v.stride[0] == 0 && v.stride[1] == 1) return (LoadKernel){.way = LOADS_REPEAT, .columns = columns};
    if (v.stride[0] == 1 && v.stride[1] == 0) return (LoadKernel){.way = LOADS_SPREAD, .columns = columns};
    return (LoadKernel){.way = LOADS_RUNS};
}

static LoadKernel load_prepare(const Group *g, const GroupLoad *load, int64_t unit)
{
    if (load->kind == LOAD_SCALAR)
        return (LoadKernel){.way = LOADS_NUMBER, .columns = number_fills(g, load->target)};
    if (load->kind != LOAD_TENSOR || load->from.type != TYPE_REAL) return (LoadKernel){.way = LOADS_RUNS};
    if (!view_is_dense(&load->from)) return load_strided(&load->from, unit);
    return (LoadKernel){.way = load_is_overwritten(g, load) ? LOADS_RUNS : LOADS_DIRECT};
}

static int64_t common_multiple(int64_t a, int64_t b)
{
    int64_t x = a, y = b;
    while (y) {
        int64_t rest = x % y;
        x = y, y = rest;
    }
    return a / x * b;
}

/* What divides the start and the length of every chunk: a row, or, where chunks may be cut anywhere, what makes whole rows
 * of as many loads as possible. 1: nothing does. */
static int64_t group_unit(const Group *g)
{
    if (g->reduces) {
        int64_t row = g->inner == 1 ? g->reduced : g->inner;
        return row && row <= CHUNK ? row : 1;
    }
    int64_t unit = 1;
    for (int l = 0; l < g->loads; l++) {
        if (g->load[l].kind != LOAD_TENSOR) continue;
        View v = view_joined(&g->load[l].from);
        if (v.shape.rank != 2 || !v.shape.dim[1]) continue;
        int64_t more = common_multiple(unit, v.shape.dim[1]);
        if (more <= CHUNK) unit = more;
    }
    return unit;
}

/* The numbers among a step's operands: nothing but their load ever writes their registers. */
static int step_scalars(const Group *g, int index)
{
    int scalars = 0;
    for (int x = 0; x < 3 && g->step[index].source[x] >= 0; x++)
        for (int i = 0; i < g->loads; i++)
            if (g->load[i].kind == LOAD_SCALAR && g->load[i].target == g->step[index].source[x])
                scalars |= 1 << x;
    return scalars;
}

/* A store that the step which makes its value can write to: dense, real, the register's last value, and nobody in the
 * group reads that memory. */
static bool store_is_direct(const Group *g, int store, int step)
{
    const GroupStore *s = &g->store[store];
    if (s->to.type != TYPE_REAL || !view_is_dense(&s->to) || g->step[step].target != s->source) return false;
    for (int later = step + 1; later < g->steps; later++)
        if (g->step[later].target == s->source) return false;
    for (int i = 0; i < g->loads; i++)
        if (g->load[i].kind == LOAD_TENSOR && g->load[i].from.slot == s->to.slot && s->to.slot != SLOT_WORK)
            return false;
    return true;
}

static void step_prepare(const Group *g, GroupKernel *k, int index)
{
    OpCode op = g->step[index].op;
    StepKernel *s = &k->step[index];
    s->scalars = (int16_t)step_scalars(g, index);
    s->store = -1;
    const Elements *e = k->elements;
    if (k->wide)
        s->run = s->scalars ? (void (*)(void))e->f64_scalar[op] : (void (*)(void))e->f64[op];
    else
        s->run = s->scalars ? (void (*)(void))e->f32_scalar[op] : (void (*)(void))e->f32[op];
    for (int i = 0; i < g->stores && s->store < 0; i++)
        if (!k->stored[i] && store_is_direct(g, i, index)) s->store = (int16_t)i, k->stored[i] = true;
}

static int fused_compare(const void *text, const void *kernel)
{
    return strcmp(text, ((const FusedKernel *)kernel)->text);
}

/* The generated kernel for the group's steps, if the build has one. It reads before it writes, element by element, so
 * it may write where it reads. */
static void fused_prepare(const Group *g, GroupKernel *k, Arena *a)
{
    const Elements *e = k->elements;
    int most = g->stores + g->reduces;
    if (k->wide || !e->fused_count) return;
    Text text = {0};
    FusedOutputs outputs = {0, arena_new(a, (size_t)most, sizeof(int))};
    fused_text(g, &text, &outputs);
    k->fused = bsearch(text_end(&text), e->fused, e->fused_count, sizeof *e->fused, fused_compare);
    bool failed = text.failed;
    text_free(&text);
    if (failed) {
        error_memory(a->error);
        error_escape(a->error);
    }
    if (!k->fused) return;
    k->outputs = outputs;
    k->output_store = arena_new(a, (size_t)most, sizeof *k->output_store);
    for (int o = 0; o < outputs.count; o++) {
        k->output_store[o] = -1;
        for (int s = 0; s < g->stores && k->output_store[o] < 0; s++)
            if (g->store[s].source == outputs.reg[o] && g->store[s].to.type == TYPE_REAL &&
                view_is_dense(&g->store[s].to))
                k->output_store[o] = s, k->stored[s] = true;
    }
}

static void group_tasks(Instruction *i, GroupKernel *k)
{
    const Group *g = i->group;
    if (!g->reduces) {
        int64_t task = GROUP_CHUNKS * k->chunk;
        k->kernel.run = group_map;
        i->tasks = (g->inner + task - 1) / task;
    } else if (g->inner == 1) {
        k->kernel.run = group_rows;
        k->rows_a_task = g->reduced >= GROUP_TASK ? 1 : GROUP_TASK / (g->reduced ? g->reduced : 1);
        i->tasks =
            g->segments > 1 ? g->outer * g->segments : (g->outer + k->rows_a_task - 1) / k->rows_a_task;
    } else {
        k->kernel.run = group_columns;
        k->blocks = (g->inner + CHUNK - 1) / CHUNK;
        i->tasks = g->outer * k->blocks * g->segments;
    }
}

static int output_of(const GroupKernel *k, int reg)
{
    int o = 0;
    while (k->outputs.reg[o] != reg)
        o++;
    return o;
}

/* Which pointers of a chunk are what: registers, or inputs and outputs of a generated kernel. */
static int group_pointers(const Group *g, GroupKernel *k)
{
    for (int l = 0; l < g->loads; l++)
        k->load[l].at = (int16_t)(k->fused ? l : g->load[l].target);
    for (int s = 0; s < g->stores; s++)
        k->store_at[s] =
            (int16_t)(k->fused ? g->loads + output_of(k, g->store[s].source) : g->store[s].source);
    for (int r = 0; r < g->reduces; r++)
        k->reduce_at[r] =
            (int16_t)(k->fused ? g->loads + output_of(k, g->reduce[r].source) : g->reduce[r].source);
    return k->fused ? g->loads + k->outputs.count : g->registers;
}

/* Each pointer has a buffer. What is loaded once for many chunks needs one of its own, which no step writes. Returns how
 * many there are. */
static int group_buffers(const Group *g, GroupKernel *k, int pointers)
{
    int buffers = pointers;
    for (int l = 0; l < g->loads; l++) {
        bool once = k->load[l].way == LOADS_ONE || k->load[l].way == LOADS_REPEAT;
        k->load[l].buffer = (int16_t)(once && !k->fused ? buffers++ : k->load[l].at);
    }
    return buffers;
}

static size_t round_line(size_t bytes)
{
    return (bytes + PLAN_LINE - 1) / PLAN_LINE * PLAN_LINE;
}

/* Registers are a line longer than a chunk: room for the rest of a vector, and not all at one offset within a page. */
static void group_scratch(Instruction *i, GroupKernel *k, int pointers, int buffers)
{
    const Group *g = i->group;
    int64_t all = g->outer * g->reduced * g->inner, most = all < k->chunk ? all : k->chunk;
    k->register_bytes = round_line((size_t)most * k->size) + VECTOR_MOST;
    k->totals = (size_t)buffers * k->register_bytes;
    k->sums = k->totals + (size_t)g->reduces * CHUNK * sizeof(double);
    k->pointers = k->sums + (size_t)g->reduces * (CHUNK * k->size + VECTOR_MOST);
    i->scratch = k->pointers + round_line((size_t)pointers * sizeof(void *));
}

/* May what goes to or comes from there be as much as fills the last line? */
static bool view_has_room(const View *v)
{
    return v->slot == SLOT_WORK && v->offset % PLAN_LINE == 0;
}

/* A single chunk takes whole vectors if there is room behind all that it touches: ends cost more than what they save. */
static int64_t group_whole(const Group *g, const GroupKernel *k)
{
    bool room = g->outer * g->reduced * g->inner <= k->chunk;
    if (g->reduces && g->inner > 1) room = room && g->outer == 1; /* each outer part is a chunk */
    for (int l = 0; room && l < g->loads; l++)
        room = k->load[l].way != LOADS_DIRECT || view_has_room(&g->load[l].from);
    for (int s = 0; room && s < g->stores; s++)
        room = !k->stored[s] || view_has_room(&g->store[s].to);
    return room ? (int64_t)(k->elements->lanes * sizeof(float) / k->size) : 1;
}

static int small_place(GroupKernel *k, int slot, int64_t offset)
{
    k->kernel.place[k->kernel.places] = (Place){slot, offset};
    return k->kernel.places++;
}

/* Is it read where it stands? A generated kernel knows numbers as they are. */
static bool small_stands(const GroupKernel *k, int load)
{
    return k->load[load].way == LOADS_DIRECT || (k->fused && k->load[load].way == LOADS_NUMBER);
}

static int small_store(const Group *g, GroupKernel *k, int store)
{
    return small_place(k, g->store[store].to.slot, g->store[store].to.offset);
}

/* The pointers of a generated kernel, or registers, in their order; the others come after them. */
static void small_pointers(const Group *g, GroupKernel *k, int pointers)
{
    for (int p = 0; p < pointers; p++)
        small_place(k, -1, p * (int64_t)k->register_bytes);
    for (int l = 0; l < g->loads; l++)
        if (small_stands(k, l))
            k->kernel.place[k->load[l].at] = (Place){g->load[l].from.slot, g->load[l].from.offset};
    for (int o = 0; o < k->outputs.count; o++) {
        const GroupStore *s = k->output_store[o] < 0 ? NULL : &g->store[k->output_store[o]];
        if (s) k->kernel.place[g->loads + o] = (Place){s->to.slot, s->to.offset};
    }
}

/* Steps without a generated kernel: a register whose value was loaded where it stands, or is stored, is not in its own
 * buffer. `at` is where each register is. */
static void small_step_places(const Group *g, GroupKernel *k, int *at)
{
    for (int r = 0; r < g->registers; r++)
        at[r] = r;
    for (int s = 0; s < g->steps; s++) {
        const GroupStep *step = &g->step[s];
        StepKernel *now = &k->step[s];
        for (int x = 0; x < 3; x++)
            now->from[x] = (int16_t)(step->source[x] < 0 ? -1 : at[step->source[x]]);
        int to = now->store >= 0 ? small_store(g, k, now->store)
                                 : small_place(k, -1, step->target * (int64_t)k->register_bytes);
        now->to = (int16_t)to;
        at[step->target] = now->to;
    }
    for (int r = 0; r < g->reduces; r++)
        k->reduce_at[r] = (int16_t)at[g->reduce[r].source];
}

static void small_input(const Group *g, GroupKernel *k, int index, int64_t all)
{
    const LoadKernel *load = &k->load[index];
    const View *from = &g->load[index].from;
    if (small_stands(k, index)) return;
    SmallPart *part = &k->small.input[k->small.inputs++];
    int64_t columns = load->way == LOADS_ONE ? all : load->columns;
    if (load->way == LOADS_NUMBER) columns = load->columns ? all : VECTOR_MOST / (int64_t)sizeof(float);
    part->from = small_place(k, from->slot, from->offset);
    part->to = load->at;
    part->run = load->way == LOADS_NUMBER   ? small_number
                : load->way == LOADS_REPEAT ? k->elements->repeat_f32
                                            : k->elements->spread_f32;
    part->rows = (size_t)(columns < all ? all / columns : 1);
    part->n = (size_t)columns;
}

static void small_reduce(const Group *g, GroupKernel *k, int index)
{
    const GroupReduce *r = &g->reduce[index];
    const Elements *e = k->elements;
    SmallPart *part = &k->small.reduction[k->small.reductions++];
    part->from = k->reduce_at[index];
    part->to = small_place(k, r->to.slot, r->to.offset);
    part->rows = (size_t)(g->inner == 1 ? g->outer : g->reduced);
    part->n = (size_t)(g->inner == 1 ? g->reduced : g->inner);
    if (g->inner == 1)
        part->run = r->op == OP_sum ? e->sum_lines_f32 : e->max_lines_f32;
    else
        part->run = r->op == OP_sum ? e->sum_columns_f32 : e->max_columns_f32;
}

static bool group_is_small(const Group *g, const GroupKernel *k)
{
    int64_t all = g->outer * g->reduced * g->inner;
    bool small = !k->wide && g->segments == 1 && all > 0 && all <= k->chunk;
    if (g->reduces && g->inner > 1) small = small && g->outer == 1 && g->reduced <= GROUP_FLUSH;
    for (int l = 0; small && l < g->loads; l++)
        small = k->load[l].way != LOADS_RUNS;
    for (int s = 0; small && s < g->stores; s++)
        small = k->stored[s];
    for (int r = 0; small && r < g->reduces; r++)
        small = g->reduce[r].to.type == TYPE_REAL;
    return small;
}

static void small_prepare(Program *program, Instruction *i, GroupKernel *k, int pointers)
{
    const Group *g = i->group;
    Arena *a = program->arena;
    int64_t all = g->outer * g->reduced * g->inner;
    k->kernel.place =
        arena_new(a, (size_t)(pointers + g->loads + g->steps + g->reduces), sizeof *k->kernel.place);
    k->small.input = arena_new(a, (size_t)g->loads, sizeof *k->small.input);
    k->small.reduction = arena_new(a, (size_t)g->reduces, sizeof *k->small.reduction);
    small_pointers(g, k, pointers);
    if (!k->fused) small_step_places(g, k, arena_new(a, (size_t)g->registers, sizeof(int)));
    for (int l = 0; l < g->loads; l++)
        small_input(g, k, l, all);
    for (int r = 0; r < g->reduces; r++)
        small_reduce(g, k, r);
    k->chunk = (all + k->whole - 1) / k->whole * k->whole;
    k->kernel.run = group_small;
    i->tasks = 1;
    kernel_keep(program, i, &k->kernel);
}

void group_prepare(Program *p, Instruction *i, Isa isa)
{
    const Group *g = i->group;
    Arena *a = p->arena;
    GroupKernel *k = i->detail = arena_new(a, 1, sizeof *k);
    k->elements = elements_for(isa);
    k->wide = p->dtype == DTYPE_F64;
    k->size = type_bytes(TYPE_REAL, p->dtype);
    k->load = arena_new(a, (size_t)g->loads, sizeof *k->load);
    k->stored = arena_new(a, (size_t)g->stores, sizeof *k->stored);
    k->store_at = arena_new(a, (size_t)(g->stores + g->reduces), sizeof *k->store_at);
    k->reduce_at = k->store_at + g->stores;
    int64_t unit = group_unit(g);
    k->chunk = CHUNK / unit * unit;
    for (int l = 0; l < g->loads; l++)
        k->load[l] = load_prepare(g, &g->load[l], unit);
    if (cpu_generated(p->backend)) fused_prepare(g, k, a);
    if (!k->fused) k->step = arena_new(a, (size_t)g->steps, sizeof *k->step);
    for (int s = 0; s < g->steps && !k->fused; s++)
        step_prepare(g, k, s);
    int pointers = group_pointers(g, k);
    group_scratch(i, k, pointers, group_buffers(g, k, pointers));
    k->whole = group_whole(g, k);
    group_tasks(i, k);
    if (group_is_small(g, k)) small_prepare(p, i, k, pointers);
}

/* ---- Combining the parts of a split reduction ---- */

static void combine_run(const Frame *f, const Instruction *i, int64_t task)
{
    (void)task;
    const double *part = frame_pointer(f, &i->read[0]);
    int64_t parts = i->read[0].shape.dim[0], results = i->read[0].shape.dim[1];
    void *to = frame_pointer(f, &i->write[0]);
    for (int64_t r = 0; r < results; r++) {
        double value = part[r];
        for (int64_t s = 1; s < parts; s++)
            value = reduce_two(i->op, value, part[s * results + r]);
        real_set(to, r, value, f->program->dtype == DTYPE_F64);
    }
}

void combine_prepare(Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    Kernel *k = i->detail = arena_new(p->arena, 1, sizeof *k);
    k->run = combine_run;
    i->tasks = 1;
}
