/* nn.h: layers, losses, optimizers, schedules and initialisers: rows of text in the notation. Used by train and by
 * what lists them; knows everything from graph/ to autodiff/.
 *
 * The rows are the only list: `nudge ops`, the reference page, the tests and the error messages enumerate them. Their
 * categories are "activation" and "function" (ops/definitions.c has most of these), "layer", "loss", "optimizer",
 * "schedule", "clip", "initialiser" and "helper" (what only other rows call). What a row is given, by name or in this order, before the arguments written:
 *     loss (y, t)   optimizer (w, g, t)   schedule (t, steps)   clip (g, gnorm)   initialiser (w)   layer (x)
 * where y is the net's result, t in a loss the targets, elsewhere the number of the step from 1, w a parameter (an
 * initialiser sees zeros of its shape), g its gradient, gnorm the norm of all gradients together. A schedule's value is a factor of lr. */
#ifndef NN_NN_H
#define NN_NN_H

#include "autodiff/autodiff.h"

/* Every row that is built in, those of ops/ first; NULL after the last. */
const Definition *nn_row(size_t index);

/* A scope with all that is built in: primitives, natives, the rows, grad. Lives in the arena; raises through it. */
Scope *nn_scope(Arena *a);

#endif
