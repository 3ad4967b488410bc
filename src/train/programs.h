/* programs.h: the programs of a model, one for each binding, and workspaces to run them in. Used by train/; knows plan/
 * and cpu/.
 *
 * Programs are compiled on first use and kept; the least recently used go when there are many. Any number of threads
 * may run them at once. Memory to work in is lent to a run while it goes on: there is as much as runs at once need, not
 * as many programs. One lock guards the cache, that memory and the building of networks. */
#ifndef TRAIN_PROGRAMS_H
#define TRAIN_PROGRAMS_H

#include "cpu/cpu.h"
#include "train/network.h"
#include "train/store.h"

typedef struct Programs Programs;
typedef struct Compiled Compiled;

/* What a caller binds: inputs, then outputs; and the numbers it sets. */
typedef enum RunSlot {
    RUN_X,
    RUN_TARGET,
    RUN_WEIGHT,
    RUN_Y,
    RUN_LOSS,
    RUN_NORMS,
    RUN_OBJECTIVE,
    RUN_GRADIENT,
    RUN_SLOTS
} RunSlot;
typedef enum RunScalar { RUN_T, RUN_STEPS, RUN_SEED, RUN_DROPS, RUN_SCALARS } RunScalar;

typedef struct Run { /* a program at work; begins as zeros */
    Programs *programs;
    Compiled *compiled;
    Workspace *workspace;
} Run;

/* Settings and store must outlive it. NULL on failure. */
Programs *programs_new(const Settings *settings, const Task *task, const Store *store, Error *e);
void programs_free(Programs *p);

/* The blueprint, for whoever builds networks of their own; give it back. */
Blueprint *programs_lock(Programs *p);
void programs_unlock(Programs *p);

/* Drops the programs of a mode, e.g. because the optimizer is another one. No run may be under way. */
void programs_drop(Programs *p, Mode mode);
/* The threads of runs that begin from now on. No run may be under way. */
int programs_threads(Programs *p, int threads, Error *e);

/* What the programs made so far hold, in bytes. */
typedef struct ProgramsBytes {
    size_t work;  /* memory to work in */
    size_t plans; /* the programs themselves, and the largest graph that one was made from, gone by now */
} ProgramsBytes;
ProgramsBytes programs_bytes(Programs *p);

/* Takes the program of a binding with the store's tensors bound, and gives it back. */
int run_begin(Run *r, Programs *p, const Binding *k, Error *e);
void run_end(Run *r); /* fine on zeros */
/* Nothing if the program has no such slot or scalar. */
void run_bind(Run *r, RunSlot slot, const void *memory);
/* The memory of a carried state, [rows of the program, ..], of a program that does not train: those of training are the
 * store's. Nothing if the program has no such state. */
void run_bind_state(Run *r, const char *name, void *memory);
void run_set(Run *r, RunScalar scalar, double value);
bool run_wants(const Run *r, RunScalar scalar);
/* Runs it, on the model's threads unless they are at work already. */
void run_go(Run *r);

/* A run of a graph of the locked blueprint, for outputs of its own; the program goes with the run. What the store has
 * is bound; outputs are bound by name. */
int run_open(Run *r, Programs *p, Graph *g, int outputs, const PlanOutput *output, Error *e);
void run_output(Run *r, const char *name, void *memory);

#endif
