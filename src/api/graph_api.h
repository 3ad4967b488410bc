/* graph_api.h: what a graph of nudge.h's second tier is. Used by graph_api.c and program_api.c only. */
#ifndef API_GRAPH_API_H
#define API_GRAPH_API_H

#include "cpu/cpu.h"
#include "nn/nn.h"
#include "train/grouping.h"
#include "train/settings.h"
#include "train/store.h"

struct nudge_graph {
    Error error; /* the first one sticks */
    Arena arena;
    Graph *graph;
    Scope *scope; /* the caller's names, around them all that is built in */
    Settings settings;
    Dtype dtype;
    const Backend *backend;
    int threads;
    Threads *crew; /* NULL for one thread */
    Store store;   /* parameters and states */
    int outputs;   /* of the next program */
    PlanOutput *output;
};

/* The sentence of an error, also when there was no memory to hold one. */
const char *api_message(const Error *e, int status);

#endif
