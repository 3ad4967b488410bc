/* lens.h: a look inside a step: what every layer computes and every gradient, to find the first NaN or infinity and what
 * made it. Used by divergence.c; knows course.h. */
#ifndef TRAIN_LENS_H
#define TRAIN_LENS_H

#include "train/course.h"

typedef struct Lens {
    Course *course;
    Network *n;
    Run run;
    size_t rows; /* of the batches that it is for */
    int outputs;
    PlanOutput *output;
    const char **place; /* of each output: "layer 5, batchnorm, backward" */
    void **memory;
} Lens;

/* For batches like the one that the course has loaded. lens_close is fine on zeros and after a failure. */
int lens_open(Lens *l, Course *c, Error *e);
void lens_close(Lens *l);

/* Looks at the step that the course's batch would make. Says in `found` where the first value is that is not finite, in
 * the order in which data flows, and what made it: "layer 1, hole, forward: div gave inf"; nothing if there is none. */
int lens_look(Lens *l, uint64_t step, Text *found, Error *e);

#endif
