/* group.c: runs fused groups, chunk by chunk: loads into registers, steps, stores and reductions while the chunk is
 * in the first-level cache. Any group runs here, step by step; where the build has generated a kernel for the steps, it
 * takes their place and gives the same bits. Chunks have a fixed length, and reductions
 * add chunks in a fixed order, so the bits never depend on threads. */
#include "cpu/kernel.h"

#include "codegen/fused.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VECTOR_MOST = 64, FUSED_POINTERS = 48, CHUNK = 512, GROUP_TASK = 8 * CHUNK, GROUP_FLUSH = 32 };

typedef enum LoadWay { LOADS_DIRECT, LOADS_NUMBER, LOADS_RUNS } LoadWay;

typedef struct StepKernel {
    void (*run)(void); /* ElementF32, ElementF64 or their scalar forms */
    int scalars;       /* operands that are one number */
    int store;         /* the store that this step writes to directly, or -1 */
} StepKernel;

typedef struct GroupKernel {
    Kernel kernel;
    const Elements *elements;
    bool wide;   /* f64 */
    size_t size; /* of a real */
    LoadWay *way;
    StepKernel *step;
    const FusedKernel *fused; /* all steps at once, or NULL */
    FusedOutputs outputs;     /* of it */
    int *output_store;        /* by output: the store it writes to directly, or -1 */
    bool *stored;             /* by store: a step writes there directly */
    int64_t rows_a_task;      /* of reductions along the inner axis */
    int64_t blocks;           /* of inner columns in a reduction across them */
} GroupKernel;

/* A chunk in the making: where each register is. */
typedef struct Chunk {
    const Frame *frame;
    const Group *group;
    const GroupKernel *kernel;
    void **reg;     /* [registers] */
    char *buffer;   /* [registers + outputs of a generated kernel][CHUNK] */
    char *sums;     /* [reduces][CHUNK] reals */
    double *totals; /* [reduces][CHUNK] */
    char *ends;     /* [loads + outputs][VECTOR_MOST]: the end of a chunk, padded to whole vectors */
} Chunk;

/* Registers are a line longer than a chunk, so that they do not all start at the same offset within a page. */
static size_t register_bytes(size_t size)
{
    return CHUNK * size + 64;
}

static void *chunk_buffer(const Chunk *c, int reg)
{
    return c->buffer + (size_t)reg * register_bytes(c->kernel->size);
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

static void chunk_load(const Chunk *c, int index, int64_t start, int64_t n)
{
    const GroupLoad *load = &c->group->load[index];
    void **reg = &c->reg[load->target];
    const char *from = load->kind == LOAD_TENSOR ? frame_pointer(c->frame, &load->from) : NULL;
    if (c->kernel->way[index] == LOADS_NUMBER) return; /* set once a task */
    if (c->kernel->way[index] == LOADS_DIRECT) {
        *reg = (void *)(uintptr_t)(from + (size_t)start * c->kernel->size);
        return;
    }
    char *to = *reg = chunk_buffer(c, load->target);
    View over = load->from;
    int64_t base = load->kind == LOAD_IOTA ? load->from.offset : 0, at, length;
    Runs runs = runs_begin(&over, start, n);
    while ((length = runs_next(&runs, &at))) {
        load_run(c, load, from, to, base + at, last_stride(&over), length);
        to += (size_t)length * c->kernel->size;
    }
}

/* ---- Steps ---- */

static void *store_pointer(const Chunk *c, const GroupStore *s, int64_t start)
{
    return (char *)frame_pointer(c->frame, &s->to) + (size_t)start * c->kernel->size;
}

static void chunk_step(const Chunk *c, int index, int64_t start, int64_t n)
{
    const GroupStep *step = &c->group->step[index];
    const StepKernel *k = &c->kernel->step[index];
    void *y =
        k->store >= 0 ? store_pointer(c, &c->group->store[k->store], start) : chunk_buffer(c, step->target);
    void *x[3] = {0};
    for (int i = 0; i < 3 && step->source[i] >= 0; i++)
        x[i] = c->reg[step->source[i]];
    c->reg[step->target] = y;
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

/* ---- All steps by one generated kernel ---- */

/* Pointers to what the kernel reads and writes from element `at` of the chunk on; a number stays where it is. */
static void fused_pointers(const Chunk *c, const float **x, float **y, size_t at)
{
    for (int i = 0; i < c->group->loads; i++) {
        const float *from = c->reg[c->group->load[i].target];
        x[i] = c->kernel->way[i] == LOADS_NUMBER ? from : from + at;
    }
    for (int k = 0; k < c->kernel->outputs.count; k++)
        y[k] = (float *)c->reg[c->kernel->outputs.reg[k]] + at;
}

/* What is left after the whole vectors: copied to where there is room for one. */
static void fused_end(const Chunk *c, const float **x, float **y, size_t left)
{
    const GroupKernel *k = c->kernel;
    float *kept[FUSED_POINTERS];
    char *room = c->ends;
    for (int i = 0; i < c->group->loads; i++, room += VECTOR_MOST) {
        if (k->way[i] == LOADS_NUMBER) continue;
        memset(room, 0, VECTOR_MOST);
        memcpy(room, x[i], left * sizeof(float));
        x[i] = (const float *)(const void *)room;
    }
    for (int i = 0; i < k->outputs.count; i++, room += VECTOR_MOST)
        kept[i] = y[i], y[i] = (float *)(void *)room;
    k->fused->run(y, x, 1);
    for (int i = 0; i < k->outputs.count; i++)
        memcpy(kept[i], y[i], left * sizeof(float));
}

static void chunk_fused(const Chunk *c, int64_t start, int64_t n)
{
    const GroupKernel *k = c->kernel;
    const float *x[FUSED_POINTERS];
    float *y[FUSED_POINTERS];
    void *to[FUSED_POINTERS];
    for (int i = 0; i < k->outputs.count; i++) {
        int store = k->output_store[i];
        to[i] = store >= 0 ? store_pointer(c, &c->group->store[store], start)
                           : chunk_buffer(c, c->group->registers + i);
    }
    size_t lanes = k->elements->lanes, left = (size_t)n % lanes, done = (size_t)n - left;
    fused_pointers(c, x, y, 0);
    for (int i = 0; i < k->outputs.count; i++)
        y[i] = to[i];
    k->fused->run(y, x, done / lanes);
    if (left) {
        fused_pointers(c, x, y, done);
        for (int i = 0; i < k->outputs.count; i++)
            y[i] = (float *)to[i] + done;
        fused_end(c, x, y, left);
    }
    for (int i = 0; i < k->outputs.count; i++)
        c->reg[k->outputs.reg[i]] = to[i];
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
    if (c->kernel->stored[index]) return;
    size_t size = s->to.type == TYPE_REAL ? c->kernel->size : type_bytes(s->to.type, DTYPE_F32);
    const char *from = c->reg[s->source];
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

/* The elements [start, start + n) of the space, n at most CHUNK. */
static void chunk_run(const Chunk *c, int64_t start, int64_t n)
{
    for (int i = 0; i < c->group->loads; i++)
        chunk_load(c, i, start, n);
    if (c->kernel->fused)
        chunk_fused(c, start, n);
    else
        for (int i = 0; i < c->group->steps; i++)
            chunk_step(c, i, start, n);
    for (int i = 0; i < c->group->stores; i++)
        chunk_store(c, i, start, n);
}

/* Do stores or reductions read the register? They want a whole chunk of a number, where steps want one. */
static bool number_fills(const Group *g, int reg)
{
    for (int i = 0; i < g->stores; i++)
        if (g->store[i].source == reg) return true;
    for (int i = 0; i < g->reduces; i++)
        if (g->reduce[i].source == reg) return true;
    return false;
}

static void chunk_numbers(const Chunk *c)
{
    for (int i = 0; i < c->group->loads; i++) {
        const GroupLoad *load = &c->group->load[i];
        if (c->kernel->way[i] != LOADS_NUMBER) continue;
        void *to = c->reg[load->target] = chunk_buffer(c, load->target);
        double value = chunk_number(c->frame, &load->from);
        int64_t n = number_fills(c->group, load->target) ? CHUNK : VECTOR_MOST / (int64_t)sizeof(float);
        for (int64_t k = 0; k < n; k++)
            real_set(to, k, value, c->kernel->wide);
    }
}

static size_t round_line(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static Chunk chunk_begin(const Frame *f, const Instruction *i)
{
    const GroupKernel *k = i->detail;
    const Group *g = i->group;
    Chunk c = {.frame = f, .group = g, .kernel = k};
    char *at = f->scratch;
    c.buffer = at;
    at += (size_t)(g->registers + k->outputs.count) * register_bytes(k->size);
    c.totals = (double *)(void *)at;
    at += (size_t)g->reduces * CHUNK * sizeof(double);
    c.sums = at;
    at += (size_t)g->reduces * CHUNK * k->size;
    c.ends = at;
    at += (size_t)(g->loads + k->outputs.count) * VECTOR_MOST;
    c.reg = (void **)(void *)at;
    chunk_numbers(&c);
    return c;
}

static size_t chunk_scratch(const Group *g, const GroupKernel *k)
{
    return (size_t)(g->registers + k->outputs.count) * register_bytes(k->size) +
           (size_t)g->reduces * CHUNK * (sizeof(double) + k->size) +
           (size_t)(g->loads + k->outputs.count) * VECTOR_MOST +
           round_line((size_t)g->registers * sizeof(void *));
}

/* ---- Groups without reductions ---- */

static void group_map(const Frame *f, const Instruction *i, int64_t task)
{
    Chunk c = chunk_begin(f, i);
    int64_t start = task * GROUP_TASK, end = start + GROUP_TASK;
    if (end > i->group->inner) end = i->group->inner;
    for (; start < end; start += CHUNK)
        chunk_run(&c, start, end - start < CHUNK ? end - start : CHUNK);
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
            c->totals[k] = reduce_two(r->op, c->totals[k], reduce_run(c, r->op, c->reg[r->source], n));
        }
    }
    for (int k = 0; k < g->reduces; k++)
        reduce_write(c, &g->reduce[k], segment, row, c->totals[k]);
}

/* Short rows, as many as a chunk holds. */
static void reduce_short(Chunk *c, int64_t row, int64_t rows)
{
    const Group *g = c->group;
    if (g->reduced) chunk_run(c, row * g->reduced, rows * g->reduced);
    for (int k = 0; k < g->reduces; k++) {
        const GroupReduce *r = &g->reduce[k];
        for (int64_t i = 0; i < rows; i++) {
            const char *x = (const char *)c->reg[r->source] + (size_t)(i * g->reduced) * c->kernel->size;
            reduce_write(c, r, 0, row + i,
                         g->reduced ? reduce_run(c, r->op, x, g->reduced) : reduce_nothing(r->op));
        }
    }
}

static void group_rows(const Frame *f, const Instruction *i, int64_t task)
{
    const GroupKernel *k = i->detail;
    const Group *g = i->group;
    Chunk c = chunk_begin(f, i);
    if (g->segments > 1) {
        reduce_long(&c, task / g->segments, task % g->segments);
        return;
    }
    int64_t row = task * k->rows_a_task, end = row + k->rows_a_task;
    if (end > g->outer) end = g->outer;
    int64_t together = g->reduced && g->reduced <= CHUNK ? CHUNK / g->reduced : 1;
    for (; row < end; row += together) {
        if (g->reduced > CHUNK)
            reduce_long(&c, row, 0);
        else
            reduce_short(&c, row, end - row < together ? end - row : together);
    }
}

/* ---- Reductions across: [outer, reduced, inner] -> [outer, inner], a block of columns at a time ---- */

static void column_add(const Chunk *c, const GroupReduce *r, void *sums, const void *x, int64_t n)
{
    const Elements *e = c->kernel->elements;
    size_t m = (size_t)n;
    if (c->kernel->wide)
        (r->op == OP_sum ? e->add_to_f64 : e->max_to_f64)(sums, x, m);
    else
        (r->op == OP_sum ? e->add_to_f32 : e->max_to_f32)(sums, x, m);
}

/* Sums of a few rows go to the totals in double, so that many rows lose no digits. */
static void column_flush(Chunk *c, int64_t n)
{
    for (int k = 0; k < c->group->reduces; k++) {
        const GroupReduce *r = &c->group->reduce[k];
        char *sums = c->sums + (size_t)k * CHUNK * c->kernel->size;
        double *totals = c->totals + (size_t)k * CHUNK;
        for (int64_t j = 0; j < n; j++) {
            totals[j] = reduce_two(r->op, totals[j], element_get(sums, TYPE_REAL, j, c->kernel->wide));
            real_set(sums, j, reduce_nothing(r->op), c->kernel->wide);
        }
    }
}

static void column_begin(Chunk *c, int64_t n)
{
    for (int k = 0; k < c->group->reduces; k++)
        for (int64_t j = 0; j < n; j++)
            c->totals[(size_t)k * CHUNK + (size_t)j] = reduce_nothing(c->group->reduce[k].op);
    for (int k = 0; k < c->group->reduces; k++)
        for (int64_t j = 0; j < n; j++)
            real_set(c->sums + (size_t)k * CHUNK * c->kernel->size, j, reduce_nothing(c->group->reduce[k].op),
                     c->kernel->wide);
}

static void group_columns(const Frame *f, const Instruction *i, int64_t task)
{
    const GroupKernel *kernel = i->detail;
    const Group *g = i->group;
    Chunk c = chunk_begin(f, i);
    int64_t segment = task % g->segments, block = task / g->segments % kernel->blocks,
            outer = task / g->segments / kernel->blocks;
    int64_t first = block * CHUNK, n = g->inner - first < CHUNK ? g->inner - first : CHUNK;
    int64_t together = n == g->inner ? CHUNK / n : 1, from, to;
    segment_range(g, segment, &from, &to);
    column_begin(&c, n);
    for (int64_t row = from, since = 0; row < to; row += together) {
        int64_t rows = to - row < together ? to - row : together;
        chunk_run(&c, (outer * g->reduced + row) * g->inner + first, rows * n);
        for (int64_t m = 0; m < rows; m++) {
            for (int k = 0; k < g->reduces; k++)
                column_add(&c, &g->reduce[k], c.sums + (size_t)k * CHUNK * kernel->size,
                           (char *)c.reg[g->reduce[k].source] + (size_t)(m * n) * kernel->size, n);
            if (++since == GROUP_FLUSH) column_flush(&c, n), since = 0;
        }
    }
    column_flush(&c, n);
    for (int k = 0; k < g->reduces; k++)
        for (int64_t j = 0; j < n; j++)
            reduce_write(&c, &g->reduce[k], segment, outer * g->inner + first + j,
                         c.totals[(size_t)k * CHUNK + (size_t)j]);
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

/* Stores and reductions read their registers when another store may have overwritten what was loaded. */
static bool load_is_overwritten(const Group *g, const GroupLoad *load)
{
    bool overwritten = false;
    for (int i = 0; i < g->stores; i++)
        overwritten |= g->store[i].to.slot == load->from.slot && load->from.slot != SLOT_WORK;
    return overwritten && number_fills(g, load->target);
}

static LoadWay load_way(const Group *g, const GroupLoad *load)
{
    if (load->kind == LOAD_SCALAR) return LOADS_NUMBER;
    bool plain = load->kind == LOAD_TENSOR && load->from.type == TYPE_REAL && view_is_dense(&load->from);
    return plain && !load_is_overwritten(g, load) ? LOADS_DIRECT : LOADS_RUNS;
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
    s->scalars = step_scalars(g, index);
    s->store = -1;
    const Elements *e = k->elements;
    if (k->wide)
        s->run = s->scalars ? (void (*)(void))e->f64_scalar[op] : (void (*)(void))e->f64[op];
    else
        s->run = s->scalars ? (void (*)(void))e->f32_scalar[op] : (void (*)(void))e->f32[op];
    for (int i = 0; i < g->stores && s->store < 0; i++)
        if (!k->stored[i] && store_is_direct(g, i, index)) s->store = i, k->stored[i] = true;
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
    if (k->wide || !e->fused_count || !g->steps || g->loads > FUSED_POINTERS || most > FUSED_POINTERS) return;
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
        k->kernel.run = group_map;
        i->tasks = (g->inner + GROUP_TASK - 1) / GROUP_TASK;
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

void group_prepare(const Program *p, Instruction *i, Isa isa)
{
    const Group *g = i->group;
    Arena *a = p->arena;
    GroupKernel *k = i->detail = arena_new(a, 1, sizeof *k);
    k->elements = elements_for(isa);
    k->wide = p->dtype == DTYPE_F64;
    k->size = type_bytes(TYPE_REAL, p->dtype);
    k->way = arena_new(a, (size_t)g->loads, sizeof *k->way);
    k->step = arena_new(a, (size_t)g->steps, sizeof *k->step);
    k->stored = arena_new(a, (size_t)g->stores, sizeof *k->stored);
    for (int l = 0; l < g->loads; l++)
        k->way[l] = load_way(g, &g->load[l]);
    if (cpu_generated(p->backend)) fused_prepare(g, k, a);
    for (int s = 0; s < g->steps && !k->fused; s++)
        step_prepare(g, k, s);
    i->scratch = chunk_scratch(g, k);
    group_tasks(i, k);
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

void combine_prepare(const Program *p, Instruction *i, Isa isa)
{
    (void)isa;
    Kernel *k = i->detail = arena_new(p->arena, 1, sizeof *k);
    k->run = combine_run;
    i->tasks = 1;
}
