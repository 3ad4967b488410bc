/* run.c: all threads walk the instructions of a program together and meet where the plan says so. See cpu.h. */
#include "cpu/cpu.h"

#include "cpu/kernel.h"

#include <string.h>
#include <time.h>

static KernelPrepare *const cpu_kernels[OP_COUNT] = {
    [OP_copy] = group_prepare,
    [OP_sum] = combine_prepare,
    [OP_amax] = combine_prepare,
    [OP_matmul] = product_prepare,
    [OP_take] = take_prepare,
    [OP_scatter] = scatter_prepare,
    [OP_pick] = pick_prepare,
    [OP_argmax] = argmax_prepare,
    [OP_concat] = concat_prepare,
    [OP_pad] = pad_prepare,
    [OP_convolve] = conv_prepare,
    [OP_convolve_input] = conv_prepare,
    [OP_convolve_weight] = conv_prepare,
    [OP_pool_argmax] = pool_argmax_prepare,
    [OP_pool_take] = pool_take_prepare,
    [OP_pool_put] = pool_put_prepare,
};

/* A backend's level: the instruction set, and ISA_COUNT more for the interpreter. */
static void cpu_prepare(const Backend *b, Program *p, Instruction *i)
{
    if (i->op != OP_loop) cpu_kernels[i->op](p, i, (Isa)(b->level % ISA_COUNT));
}

static const Backend cpu_backends[2 * ISA_COUNT] = {
    {.name = "cpu", .prepare = cpu_prepare, .level = ISA_BASE},
    {.name = "cpu", .prepare = cpu_prepare, .level = ISA_AVX2},
    {.name = "cpu", .prepare = cpu_prepare, .level = ISA_AVX512},
    {.name = "cpu", .prepare = cpu_prepare, .level = ISA_COUNT + ISA_BASE},
    {.name = "cpu", .prepare = cpu_prepare, .level = ISA_COUNT + ISA_AVX2},
    {.name = "cpu", .prepare = cpu_prepare, .level = ISA_COUNT + ISA_AVX512},
};

const Backend *cpu_backend(Isa isa)
{
    return &cpu_backends[isa];
}

const Backend *cpu_interpreter(Isa isa)
{
    return &cpu_backends[ISA_COUNT + isa];
}

bool cpu_generated(const Backend *b)
{
    return b->level < ISA_COUNT;
}

/* ---- Workspaces ---- */

enum { CPU_LINE = 64 };

static size_t cpu_line(size_t bytes)
{
    return (bytes + CPU_LINE - 1) / CPU_LINE * CPU_LINE + CPU_LINE;
}

/* What a thread needs of its own for each level of loops: slots bound to the turn. */
static size_t cpu_private(const Program *p)
{
    size_t most = 0;
    for (int i = 0; i < p->instructions; i++) {
        if (!p->instruction[i].loop) continue;
        const Program *b = p->instruction[i].loop->body;
        size_t need = cpu_line((size_t)b->slots * sizeof(void *)) + cpu_private(b);
        if (need > most) most = need;
    }
    return most;
}

size_t cpu_room(const Program *p, int threads)
{
    size_t each = cpu_line(p->scratch) + cpu_private(p);
    return cpu_line(p->work) + (size_t)(threads < 1 ? 1 : threads) * each;
}

Workspace *cpu_workspace_lent(const Program *p, int threads)
{
    Workspace *w = memory_zero(1, sizeof *w);
    if (!w) return NULL;
    w->program = p;
    w->threads = threads < 1 ? 1 : threads;
    w->lent = true;
    w->scalar = memory_new((size_t)p->scalars + 1, sizeof *w->scalar);
    w->slot = memory_zero((size_t)p->slots, sizeof *w->slot);
    w->bound = memory_zero((size_t)p->slots, sizeof *w->bound);
    w->pointer = memory_new((size_t)p->pointers + 1, sizeof *w->pointer);
    if (!w->scalar || !w->slot || !w->bound || !w->pointer) {
        cpu_workspace_free(w);
        return NULL;
    }
    memcpy(w->scalar, p->scalar, (size_t)p->scalars * sizeof *w->scalar);
    w->slot[SLOT_SCALARS] = w->scalar;
    w->own = cpu_line(p->scratch) + cpu_private(p);
    return w;
}

Workspace *cpu_workspace(const Program *p, int threads)
{
    Workspace *w = cpu_workspace_lent(p, threads);
    if (!w) return NULL;
    w->lent = false;
    /* zeros, so that what stands behind values never depends on who had the memory before */
    w->work = memory_zero(cpu_room(p, threads), 1);
    if (w->work) return w;
    cpu_workspace_free(w);
    return NULL;
}

void cpu_workspace_free(Workspace *w)
{
    if (!w) return;
    memory_release(w->scalar);
    memory_release(w->slot);
    memory_release(w->bound);
    memory_release(w->pointer);
    if (!w->lent) memory_release(w->work);
    memory_release(w);
}

static char *workspace_scratch(const Workspace *w, int thread)
{
    return (char *)w->work + cpu_line(w->program->work) + (size_t)thread * w->own;
}

/* Slots mostly stay where they are from run to run, and so do the pointers of kernels that have one task. */
static void workspace_bind(Workspace *w)
{
    const Program *p = w->program;
    size_t bytes = (size_t)p->slots * sizeof *w->slot;
    if (!memcmp(w->bound, w->slot, bytes)) return;
    memcpy(w->bound, w->slot, bytes);
    Frame f = {.program = p, .slot = w->slot, .scratch = workspace_scratch(w, 0)};
    for (int n = 0; n < p->instructions; n++) {
        const Kernel *k = p->instruction[n].detail;
        for (int i = 0; k && i < k->places; i++)
            w->pointer[k->first + i] = kernel_place(&f, &k->place[i]);
    }
}

void kernel_keep(Program *p, Instruction *i, Kernel *k)
{
    k->first = p->pointers;
    p->pointers += k->places;
    k->pointers = cpu_line(i->scratch);
    i->scratch = k->pointers + (size_t)k->places * sizeof(void *);
}

/* ---- Walking ---- */

static void scalars_run(const Program *p, double *scalar)
{
    for (int i = 0; i < p->scalar_steps; i++) {
        const ScalarStep *s = &p->scalar_step[i];
        double x[3] = {0};
        for (int k = 0; k < ops_table[s->op].inputs; k++)
            x[k] = scalar[s->source[k]];
        scalar[s->target] = ops_table[s->op].reference(x[0], x[1], x[2]);
    }
}

typedef struct Walker {
    Threads *threads;
    int thread, count;
} Walker;

static void walk(const Walker *w, const Frame *f, char *private);

/* This thread's share of a copy. */
static void walk_copy(const Walker *w, void *to, const void *from, int64_t bytes)
{
    int64_t begin = bytes * w->thread / w->count, end = bytes * (w->thread + 1) / w->count;
    if (begin < end) memcpy((char *)to + begin, (const char *)from + begin, (size_t)(end - begin));
}

static void walk_meet(const Walker *w)
{
    if (w->count > 1) threads_barrier(w->threads, w->thread);
}

static char *carry_buffer(const Frame *f, const Carry *c, int64_t turn)
{
    return (char *)f->slot[SLOT_WORK] + c->buffer[turn & 1];
}

static void *bind_pointer(const Frame *f, const LoopPlan *l, const Bind *b, int64_t turn, int64_t position)
{
    switch (b->kind) {
    case BIND_CARRIED:
        return carry_buffer(f, &l->carry[b->carry], turn);
    case BIND_NEXT:
        return carry_buffer(f, &l->carry[b->carry], turn + 1);
    case BIND_POSITION:
        return &l->position[position];
    case BIND_ELEMENT:
        return (char *)frame_pointer(f, &b->view) + position * b->stride;
    default:
        return frame_pointer(f, &b->view);
    }
}

/* The values carried into this turn join the history, if somebody reads it. */
static void walk_history(const Walker *w, const Frame *f, const LoopPlan *l, int64_t turn, int64_t position)
{
    for (int c = 0; c < l->carries; c++) {
        const Carry *carry = &l->carry[c];
        if (carry->history.slot < 0) continue;
        char *to = (char *)frame_pointer(f, &carry->history) + position * carry->bytes;
        walk_copy(w, to, carry_buffer(f, carry, turn), carry->bytes);
    }
}

static void walk_loop(const Walker *w, const Frame *f, const LoopPlan *l, char *private)
{
    const Program *b = l->body;
    Frame body = {.program = b, .slot = (void **)(void *)private, .scratch = f->scratch};
    private += cpu_line((size_t)b->slots * sizeof(void *));
    double *scalar = (double *)(void *)((char *)f->slot[SLOT_WORK] + l->scalars_at);
    body.slot[SLOT_WORK] = (char *)f->slot[SLOT_WORK] + l->work;
    body.slot[SLOT_SCALARS] = scalar;
    if (!w->thread) {
        const double *outer = f->slot[SLOT_SCALARS];
        memcpy(scalar, b->scalar, (size_t)b->scalars * sizeof *scalar);
        for (int i = 0; i < l->scalars; i++)
            scalar[l->scalar[i].inner] = outer[l->scalar[i].outer];
        scalars_run(b, scalar);
    }
    for (int c = 0; c < l->carries; c++)
        walk_copy(w, carry_buffer(f, &l->carry[c], 0), frame_pointer(f, &l->carry[c].initial),
                  l->carry[c].bytes);
    for (int64_t turn = 0; turn < l->count; turn++) {
        int64_t position = l->reverse ? l->count - 1 - turn : turn;
        walk_meet(w);
        for (int s = SLOT_FIRST; s < b->slots; s++)
            body.slot[s] = bind_pointer(f, l, &l->bind[s], turn, position);
        walk_history(w, f, l, turn, position);
        walk(w, &body, private);
    }
    walk_meet(w);
    for (int c = 0; c < l->carries; c++)
        if (l->carry[c].last.slot >= 0)
            walk_copy(w, frame_pointer(f, &l->carry[c].last), carry_buffer(f, &l->carry[c], l->count),
                      l->carry[c].bytes);
}

static void walk_instruction(const Walker *w, const Frame *f, const Instruction *i, char *private)
{
    if (i->barrier) walk_meet(w);
    if (i->loop) {
        walk_loop(w, f, i->loop, private);
        return;
    }
    KernelRun *run = ((const Kernel *)i->detail)->run;
    for (int64_t task = w->thread; task < i->tasks; task += w->count)
        run(f, i, task);
}

/* By one thread, which meets nobody. */
static void walk_alone(const Walker *w, const Frame *f, char *private)
{
    const Instruction *i = f->program->instruction, *end = i + f->program->instructions;
    for (; i < end; i++) {
        if (i->loop) {
            walk_loop(w, f, i->loop, private);
            continue;
        }
        KernelRun *run = ((const Kernel *)i->detail)->run;
        int64_t tasks = i->tasks;
        for (int64_t task = 0; task < tasks; task++)
            run(f, i, task);
    }
}

static void walk(const Walker *w, const Frame *f, char *private)
{
    if (w->count == 1) {
        walk_alone(w, f, private);
        return;
    }
    for (int n = 0; n < f->program->instructions; n++)
        walk_instruction(w, f, &f->program->instruction[n], private);
}

typedef struct Walking {
    Workspace *workspace;
    Threads *threads;
    const Instruction *only; /* NULL: all of them */
} Walking;

static void walk_thread(void *context, int thread, int count)
{
    const Walking *now = context;
    Workspace *w = now->workspace;
    const Program *p = w->program;
    Frame f = {.program = p, .slot = w->slot, .scratch = workspace_scratch(w, thread), .pointer = w->pointer};
    char *private = f.scratch + cpu_line(p->scratch);
    Walker walker = {now->threads, thread, count};
    if (now->only)
        walk_instruction(&walker, &f, now->only, private);
    else
        walk(&walker, &f, private);
}

static void cpu_walk(Workspace *w, Threads *threads, const Instruction *only)
{
    w->slot[SLOT_WORK] = w->work;
    workspace_bind(w);
    Walking now = {w, threads, only};
    if (threads)
        threads_run_some(threads, w->threads, walk_thread, &now);
    else
        walk_thread(&now, 0, 1);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Work that takes less than waking a thread is done alone: operations in a run, multiply-adds and bytes alike. */
enum { CPU_ALONE = 100000 };

static void cpu_walk_paced(Workspace *w, Threads *threads)
{
    double begin = cpu_seconds();
    bool alone = pace_alone(&w->pace);
    cpu_walk(w, alone ? NULL : threads, NULL);
    pace_took(&w->pace, alone, cpu_seconds() - begin);
}

void cpu_run(Workspace *w, Threads *threads)
{
    const Program *p = w->program;
    scalars_run(p, w->scalar);
    if (w->threads < 2 || !threads || p->multiply_adds + p->bytes < CPU_ALONE)
        cpu_walk(w, NULL, NULL);
    else
        cpu_walk_paced(w, threads);
}

void cpu_run_one(Workspace *w, Threads *threads, int instruction)
{
    if (!instruction) scalars_run(w->program, w->scalar);
    cpu_walk(w, threads, &w->program->instruction[instruction]);
}
