/* programs.h: the programs of a model, one for each binding, and workspaces to run them in. Used by train/; knows plan/
 * and cpu/.
 *
 * Programs are compiled on first use and kept; the least recently used go when there are many. Any number of threads
 * may run them at once: each run has a workspace of its own. One lock guards the cache and the building of networks. */
#ifndef TRAIN_PROGRAMS_H
#define TRAIN_PROGRAMS_H

#include "train/model.h"

typedef struct Programs Programs;
typedef struct Compiled Compiled;

typedef struct Run { /* a program at work */
    Programs *programs;
    Compiled *compiled;
    Workspace *workspace;
    bool crew; /* it has the model's threads */
} Run;

Programs *programs_new(const Settings *settings, const Task *task, int threads, Error *e);
void programs_free(Programs *p);
Blueprint *programs_blueprint(Programs *p);
void programs_lock(Programs *p);
void programs_unlock(Programs *p);

/* Drops the programs of a mode, e.g. because the optimizer is another one. No run may be under way. */
void programs_drop(Programs *p, Mode mode);
void programs_threads(Programs *p, int threads); /* for runs that begin from now on; no run may be under way */

/* Takes the program of a binding with the store's tensors bound, and returns it. */
int run_begin(Run *r, const Model *m, const Binding *k, Error *e);
void run_end(Run *r); /* fine on zeros */
void run_bind(Run *r, const char *slot, const void *memory); /* nothing if the program has no such slot */
void run_scalar(Run *r, const char *scalar, double value);
void run_go(Run *r);

/* A program that stands alone: outputs of a graph, computed once into memory of the caller, real by real. The graph is
 * the caller's. */
int run_once(Graph *g, int outputs, const PlanOutput *output, const Model *m, const char *scalar, double value,
             void *const *memory, Error *e);

#endif
