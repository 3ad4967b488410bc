/* probe.h: numbers out of a network: the values of any nodes of its graph, for rows of a dataset and a model's weights.
 * For the jobs that look inside (explain, inspect, check); knows train/ and plan/.
 *
 *     probe_open(&p, model, data, row, n, steps, e)  builds the graph of a training step for these rows
 *     probe_build(&p, body, context, e);             body asks for nodes: i = probe_want(&p, node), and may raise
 *     probe_compile(&p, e);
 *     probe_go(&p);                                  as often as weights change
 *     probe_value(&p, i)[0 .. probe_size(&p, i))
 *     probe_close(&p);
 *
 * Nothing is updated: what a step would assign is there as nodes (probe_assigned). */
#ifndef JOBS_PROBE_H
#define JOBS_PROBE_H

#include "train/batch.h"

typedef struct ProbeOutput {
    const char *name;
    Node *node;
    size_t size;
    void *memory;  /* as the program writes it */
    double *value; /* the same as doubles */
} ProbeOutput;

typedef struct Probe {
    Model *model;
    Blueprint *blueprint; /* the model's; the model is the job's own, so nobody else builds meanwhile */
    Network *network;
    Batch batch;
    double steps; /* of the whole run, for schedules */
    Arena arena;  /* of all that is read out */
    Program *program;
    Workspace *workspace;
    ProbeOutput *output;
    size_t outputs, room;
    void *fresh; /* zeros: what carried states begin as */
} Probe;

/* The network of a training step of the model for rows row[0..n) of the dataset; data NULL: nothing can be run. After
 * a failure, too, probe_close must be called. probe_open_still: layers behave as in prediction (no dropout, no
 * statistics of the batch), so that a single row gives what `predict` says. */
int probe_open(Probe *p, Model *m, const Dataset *data, const size_t *row, size_t n, double steps, Error *e);
int probe_open_still(Probe *p, Model *m, const Dataset *data, const size_t *row, size_t n, double steps,
                     Error *e);
void probe_close(Probe *p); /* fine on zeros */

/* Runs body, which may raise and extend the graph. */
int probe_build(Probe *p, void (*body)(void *context), void *context, Error *e);

/* Inside body: asks for the value of a node of reals. */
int probe_want(Probe *p, Node *n);

/* What the step would make of a leaf; NULL if it leaves it alone. */
Node *probe_assigned(const Probe *p, const Node *leaf);

/* The layer that a path of parameters belongs to: the one with the longest path that it begins with; -1: none. */
int probe_owner(const Network *n, const char *path);

/* The program of all that was asked for and, if wanted, of the updates, with as much memory as settings allow or, if
 * `freely`, as it likes. plan_free it. */
int probe_program(const Probe *p, bool updates, bool freely, Program **program, Error *e);

int probe_compile(Probe *p, Error *e);
void probe_go(Probe *p);

size_t probe_size(const Probe *p, int output);
const double *probe_value(const Probe *p, int output);

/* The backend of a model's programs. */
int probe_backend(const Model *m, const Backend **backend, Error *e);

#endif
