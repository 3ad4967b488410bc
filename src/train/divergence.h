/* divergence.h: what to say when the loss is no number any more: which layer, since when, what to try. Used by fit.c. */
#ifndef TRAIN_DIVERGENCE_H
#define TRAIN_DIVERGENCE_H

#include "train/course.h"

/* The course has diverged at step `failed` with that loss. Repeats the steps from a good state, `store` at `from`, and
 * records the message in e: NUDGE_DIVERGED. `good`: the checkpoint to name, or NULL. The model is left in the good
 * state. Returns e's status. */
int divergence_explain(Course *c, const Store *store, const Progress *from, uint64_t failed, double loss,
                       const char *good, uint64_t good_step, Error *e);

#endif
