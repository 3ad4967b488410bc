/* cpu.h: runs programs on this machine's cores. Used by train; implements plan/'s Backend. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "cpu/isa.h"
#include "cpu/pace.h"
#include "cpu/threads.h"
#include "plan/plan.h"

/* The backend for an instruction set. Lives for ever; the same pointer each time. */
const Backend *cpu_backend(Isa isa);

/* The same without generated kernels: groups run step by step. Tests hold one against the other: same bits. */
const Backend *cpu_interpreter(Isa isa);

/* What one caller needs to run a program beside the slots: work arena and scalars. A program may be run by many
 * callers at once, each with a workspace of its own. */
typedef struct Workspace {
    const Program *program;
    int threads;    /* room for so many */
    double *scalar; /* [program->scalars]; set the leaves (plan_scalar) before a run */
    void **slot;    /* [program->slots]; bind SLOT_FIRST and up (plan_slot) before a run */
    void **bound;   /* [program->slots]: to what they were bound at the last run */
    void **
        pointer; /* [program->pointers]: into slots as they were bound then, and the first thread's scratch */
    void *work;
    size_t own; /* bytes of it for each thread */
    bool lent;  /* work is the caller's */
    Pace pace;
} Workspace;

/* NULL when memory runs out. */
Workspace *cpu_workspace(const Program *p, int threads);
/* The same without memory to work in: before a run the caller sets `work` to cpu_room bytes from memory_new. Nothing
 * lasts there from run to run, so programs that do not run at once may share it. */
Workspace *cpu_workspace_lent(const Program *p, int threads);
size_t cpu_room(const Program *p, int threads);
void cpu_workspace_free(Workspace *w);

/* One run. threads may be NULL: the caller alone. Same bits for any number of threads. Never fails. */
void cpu_run(Workspace *w, Threads *threads);

/* One instruction of a run, for who measures them. All of them in order are a run. */
void cpu_run_one(Workspace *w, Threads *threads, int instruction);

#endif
