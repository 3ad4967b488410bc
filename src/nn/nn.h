/* nn.h: layers, losses, optimizers, schedules and initialisers: rows of text in the notation. Used by train and by
 * what lists them; knows everything from graph/ to autodiff/.
 *
 * The rows are the only list: `nudge ops`, the reference page, the tests and the error messages enumerate them. Their
 * categories are "activation" and "function" (ops/definitions.c has most of these), "layer", "loss", "optimizer",
 * "driver" (an optimizer in C, whose row only says what it takes), "schedule", "clip", "penalty", "constraint",
 * "average", "initialiser" and "helper" (what only other rows call). What a row is given, by name or in this order,
 * before the arguments written:
 *     loss (y, t)   optimizer (w, g, t)   schedule (t, steps, drops)   clip (g, gnorm)   initialiser (w)   layer (x)
 *     penalty (w)   constraint (w)   average (w, t)
 * where y is the net's result, t in a loss the targets, elsewhere the number of the step from 1, w a parameter (an
 * initialiser sees zeros of its shape; constraint and average what the optimizer made of it), g its gradient, gnorm the
 * norm of all gradients together. A schedule's value is a factor of lr; drops is how often it was lowered for want of
 * progress, which a row called as the schedule and _judge counts at the end of each epoch. */
#ifndef NN_NN_H
#define NN_NN_H

#include "autodiff/autodiff.h"

/* Every row that is built in, those of ops/ first; NULL after the last. */
const Definition *nn_row(size_t index);

/* What numbers an option of a row may be, such as lr of adam; NULL: any. */
const Interval *nn_limit(const char *row, const char *option);

/* True if the net begins with one of the layers for images, which want more than flat rows. */
bool nn_takes_images(const char *net);

/* A scope with all that is built in: primitives, natives, the rows, grad. Lives in the arena; raises through it. */
Scope *nn_scope(Arena *a);

#endif
