/* chain.h: what the two halves of the chain rule share: autodiff.c walks a graph, reversal.c turns a loop around.
 * Used by autodiff/ only. */
#ifndef AUTODIFF_CHAIN_H
#define AUTODIFF_CHAIN_H

#include "autodiff/autodiff.h"

/* dx[i] = the gradient of the sum of all dy[k]*y[k] with respect to x[i], in x[i]'s shape; NULL where nothing flows. */
void chain_gradients(Graph *g, Scope *scope, int outputs, Node *const *y, Node *const *dy, int count,
                     Node *const *x, Node **dx);

/* The same through a loop: dy[] for each of its outputs (NULL: none), dx[] for each of its inputs that is wanted. */
void chain_loop(Graph *g, Scope *scope, Node *loop, Node *const *dy, const bool *wanted, Node **dx);

/* The nodes that something needs, in order of creation. */
typedef struct Needs {
    Node **node;
    size_t count;
} Needs;

Needs needs_of(Graph *g, Node *const *root, int roots);
/* The place of n in the list; its length if n is not there. Places do not change while the graph grows. */
size_t needs_place(const Needs *s, const Node *n);
/* Marks, by place, what depends on a marked node in a way that can carry a gradient. */
void needs_depend(const Needs *s, bool *marked);

Node *chain_zeros(Graph *g, Shape shape);

#endif
