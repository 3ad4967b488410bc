/* divergence.h: what to say when the loss is no number any more: which layer, since when, what to try; and
 * the watch that looks at every step, for anomaly: true. Used by fit.c. */
#ifndef TRAIN_DIVERGENCE_H
#define TRAIN_DIVERGENCE_H

#include "train/course.h"

/* The checkpoint to name; NULL: there is none. */
typedef struct DivergenceGood {
    const char *checkpoint;
    uint64_t step;
} DivergenceGood;

/* The course has diverged at step `failed` with that loss. Repeats the steps from a good state, `store` at `from`, and
 * records the message in e: NUDGE_DIVERGED. The model is left in the good state. Returns e's status. */
int divergence_explain(Course *c, const Store *store, const Progress *from, uint64_t failed, double loss,
                       const DivergenceGood *good, Error *e);

typedef struct Watch Watch;

int watch_open(Watch **w, Course *c, Error *e);
void watch_close(Watch *w); /* fine on NULL */

/* Before the step after p, whose batch is loaded: NUDGE_DIVERGED, with a message, if a layer's values or gradients are
 * not finite in it. */
int watch_step(Watch *w, const Progress *p, const DivergenceGood *good, Error *e);

#endif
