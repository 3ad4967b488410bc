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

/* Which nodes depend on a marked one in a way that can carry a gradient; by id, for the nodes given. */
void chain_depend(Node *const *node, size_t count, bool *depends);

Node *chain_zeros(Graph *g, Shape shape);

#endif
