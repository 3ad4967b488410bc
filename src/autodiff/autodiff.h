/* autodiff.h: the chain rule, graph to graph. Used by nn and train; knows notation/ and graph/.
 *
 * The gradient of a node with respect to its inputs is text beside the operation (ops/, nn/) and builds nodes like any
 * other text, so gradients can be differentiated again. Broadcasting is summed out here, once for all operations. */
#ifndef AUTODIFF_AUTODIFF_H
#define AUTODIFF_AUTODIFF_H

#include "notation/notation.h"

/* dx[i] = the gradient of the sum of dy*y with respect to x[i], of x[i]'s shape; NULL where nothing flows.
 * dy has y's shape; NULL stands for ones. x may be any nodes. `scope` is where gradient texts look names up. Raises. */
void autodiff_gradients(Graph *g, Scope *scope, Node *y, Node *dy, int count, Node *const *x, Node **dx);

/* Adds grad(y, x, ...) to the scope: the gradient of sum(y) with respect to each x (zeros where nothing flows). */
void autodiff_add(Scope *scope);

#endif
