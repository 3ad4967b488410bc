/* kernel.h: what the kernels of cpu/ share: how an instruction is prepared and run. Used by cpu/ only. */
#ifndef CPU_KERNEL_H
#define CPU_KERNEL_H

#include "cpu/elements.h"
#include "plan/plan.h"

/* One thread's view of a run. */
typedef struct Frame {
    const Program *program;
    void **slot; /* where each slot is now; SLOT_SCALARS are doubles */
    char *scratch;
    void **
        pointer; /* that kernels keep ready from run to run; NULL in a loop, whose slots change with each turn */
} Frame;

typedef void KernelRun(const Frame *f, const Instruction *i, int64_t task);

/* Where a pointer leads that is the same from run to run, as long as slots stay where they are. */
typedef struct Place {
    int slot; /* -1: the scratch memory */
    int64_t offset;
} Place;

/* Every detail of an instruction begins so. A kernel of one task, which the first thread runs, may have places. */
typedef struct Kernel {
    KernelRun *run;
    int places, first; /* the first of them among the program's pointers */
    Place *place;
    size_t pointers; /* offset in the scratch memory of room for them */
} Kernel;

/* Where the kernel's places are: known already, or found now. */
static inline void *kernel_place(const Frame *f, const Place *p)
{
    return (p->slot < 0 ? f->scratch : (char *)f->slot[p->slot]) + p->offset;
}

static inline void **kernel_pointers(const Frame *f, const Kernel *k)
{
    if (f->pointer) return f->pointer + k->first;
    void **at = (void **)(void *)(f->scratch + k->pointers);
    for (int i = 0; i < k->places; i++)
        at[i] = kernel_place(f, &k->place[i]);
    return at;
}

/* To be called when the places are known: gives them their room. */
void kernel_keep(Program *p, Instruction *i, Kernel *k);

/* Chooses a kernel: fills in tasks, scratch and detail. */
typedef void KernelPrepare(Program *p, Instruction *i, Isa isa);
KernelPrepare group_prepare, combine_prepare, product_prepare, take_prepare, scatter_prepare, pick_prepare,
    argmax_prepare, concat_prepare, pad_prepare, conv_prepare, pool_argmax_prepare, pool_take_prepare,
    pool_put_prepare;

bool cpu_generated(const Backend *b); /* may groups run by generated kernels? run.c */

static inline void *frame_pointer(const Frame *f, const View *v)
{
    return (char *)f->slot[v->slot] + v->offset;
}

/* The coordinates of element `index` of a shape, row-major; returns the offset they have under the strides. */
static inline int64_t shape_locate(const Shape *s, int64_t index, const int64_t *stride, int64_t *coordinate)
{
    int64_t at = 0;
    for (int a = s->rank - 1; a >= 0; a--) {
        coordinate[a] = index % s->dim[a];
        index /= s->dim[a];
        at += coordinate[a] * stride[a];
    }
    return at;
}

#endif
