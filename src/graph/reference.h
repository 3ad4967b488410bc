/* reference.h: what a graph means, in plain C: every operation in double, one element at a time, nothing planned.
 * Used by tests only, as the oracle for gradients, plans and kernels; knows graph.h and philox.h. */
#ifndef GRAPH_REFERENCE_H
#define GRAPH_REFERENCE_H

#include "graph/graph.h"

/* The elements of a leaf, row-major, integers as whole numbers; NULL raises an error that names the leaf. */
typedef const double *ReferenceBind(void *context, const Node *leaf);

typedef struct Reference {
    ReferenceBind *bind;
    void *context;
    bool single; /* each real result is rounded to float, and random numbers are those of float */
} Reference;

/* out[i] becomes the elements of root[i] (of a call or loop: its first output). All memory comes from the arena, whose
 * error the graph shares; raises when a position lies outside of what it points into. */
void reference_evaluate(Arena *a, Graph *g, const Reference *r, size_t roots, Node *const *root,
                        double **out);

#endif
